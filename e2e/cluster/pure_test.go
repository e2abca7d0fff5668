package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	someState = State{dir: "/var/tmp/a-cluster"}
	old       = Containerd{Binary: "/x/containerd", Major: 1, Minor: 6}
	current   = Containerd{Binary: "/x/containerd", Major: 2, Minor: 2}
)

func TestRenderedFilesAreTheGoldenOnes(t *testing.T) {
	for name, content := range map[string]string{
		"cni.json":            cniConfig(nodePods(2)),
		"containerd-1.6.toml": containerdConfig(old),
		"containerd-2.2.toml": containerdConfig(current),
		"kubelet.yaml":        kubeletConfig(someState, "node2"),
		"kube-proxy.yaml":     proxyConfig(someState, "node2", false),
		"Corefile":            corefile(someState),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if content != string(golden) {
			t.Errorf("%s differs; if it should, run `go test -update .`\n%s", name, content)
		}
	}
}

func TestOnlyContainerd20TakesOneFolderInItsNewConfig(t *testing.T) {
	for containerd, want := range map[Containerd]string{
		{Major: 1, Minor: 7}: "bin_dir =", {Major: 2, Minor: 0}: "bin_dir =", {Major: 2, Minor: 1}: "bin_dirs =", {Major: 3}: "bin_dirs =",
	} {
		if got := cniFolder(containerd); !strings.HasPrefix(got, want) {
			t.Errorf("%d.%d: %s", containerd.Major, containerd.Minor, got)
		}
	}
}

func TestContainerdVersionsAreReadAsEachBuildPrintsThem(t *testing.T) {
	for output, want := range map[string][2]int{
		"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n": {1, 6},
		"containerd github.com/containerd/containerd v1.7.27 05044ec0a9a75232cad\n":     {1, 7},
		"containerd github.com/containerd/containerd/v2 2.2.1+unknown \n":               {2, 2},
		"containerd containerd.io 1.7.25 bcc810d6b9066471b0b6fa75f557a15a1cbf31bb\n":    {1, 7},
	} {
		major, minor, err := parseContainerdVersion(output)
		if err != nil || major != want[0] || minor != want[1] {
			t.Errorf("%q: %d.%d, %v", output, major, minor, err)
		}
	}
	if _, _, err := parseContainerdVersion("bash: no such file"); err == nil {
		t.Error("no version, no error")
	}
}

func TestStateFoldersHaveNamesOfTheirOwn(t *testing.T) {
	a, b := State{dir: "/a"}, State{dir: "/b"}
	if a.cgroupParent() == b.cgroupParent() {
		t.Error("two clusters share a cgroup")
	}
	if _, err := openState("/with:colon"); err == nil {
		t.Error("a colon would end an overlay's folder")
	}
}

func TestAFolderWithOtherThingsIsNotTouched(t *testing.T) {
	state := State{dir: t.TempDir()}
	if err := state.checkOurs(); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(state.path("thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := state.claim(); err == nil {
		t.Error("claimed a folder that is no cluster's")
	}
}

func TestOneCommandAtATimeWorksOnAState(t *testing.T) {
	state := State{dir: filepath.Join(t.TempDir(), "state")}
	release, err := state.claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.claim(); err == nil {
		t.Error("two have it")
	}
	release()
	release, err = state.claim()
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestNoClusterIsSaidPlainly(t *testing.T) {
	_, err := State{dir: t.TempDir()}.running()
	if !errors.Is(err, errNotRunning) || !strings.Contains(err.Error(), "cluster up") {
		t.Error(err)
	}
}

func TestEveryPartOfTheTableIsWellFormed(t *testing.T) {
	parts, err := partsIn("/cache")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts.list {
		if !slices.Contains([]string{"demo", "test", "bench", "soak"}, part.Set) {
			t.Errorf("%s: set %q", part.Name, part.Set)
		}
		if !slices.Contains([]string{"module", "go", "debian", "cargo"}, part.Kind) {
			t.Errorf("%s: kind %q", part.Name, part.Kind)
		}
	}
	if got := parts.kube("kubelet"); !strings.HasPrefix(got, "/cache/kube/") {
		t.Error(got)
	}
	if _, err := parseParts("kube demo module"); err == nil {
		t.Error("a short line was taken")
	}
}

func TestModulesAreOfTheVersionsThatTheTableSays(t *testing.T) {
	parts, err := partsIn("/cache")
	if err != nil {
		t.Fatal(err)
	}
	for name, dependency := range map[string]string{"kube": "k8s.io/kubernetes", "coredns": "github.com/coredns/coredns"} {
		module, err := os.ReadFile(filepath.Join(name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if want := dependency + " v" + filepath.Base(parts.dir(name)) + "\n"; !strings.Contains(string(module), want) {
			t.Errorf("%s/go.mod has not %s", name, want)
		}
	}
}

func TestAProcessStatusIsReadWhateverTheNameOfTheProgram(t *testing.T) {
	stat := "77 (a) b (Z) x) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 88"
	started, zombie, err := parseStat(stat)
	if err != nil || zombie || started != "4711" {
		t.Error(started, zombie, err)
	}
	if _, zombie, _ = parseStat(strings.Replace(stat, ") S", ") Z", 1)); !zombie {
		t.Error("a zombie was taken for alive")
	}
	if _, _, err = parseStat("77"); err == nil {
		t.Error("half a status was taken")
	}
}

func TestFlagsMayStandOnEitherSideOfTheCommand(t *testing.T) {
	for _, test := range []struct {
		name  string
		args  string
		state string
		rest  string
	}{
		{"run", "--state /s -- ls -l", "/s", "ls -l"},
		{"run", "ls --state x", "default", "ls --state x"},
		{"node", "node1 --state /s -- ls", "/s", "node1 ls"},
		{"node", "--state /s node1 -- ls", "/s", "node1 -- ls"},
		{"kubectl", "get --state x", "default", "get --state x"},
		{"kubectl", "--state /s -n kube-system get pods", "/s", "-n kube-system get pods"},
		{"kubectl", "--state=/s -n kube-system get pods", "/s", "-n kube-system get pods"},
		{"load", "a.tar b.tar", "default", "a.tar b.tar"},
	} {
		flags := flag.NewFlagSet(test.name, flag.ContinueOnError)
		state := flags.String("state", "default", "")
		rest, err := parseRest(flags, test.name, strings.Fields(test.args))
		if err != nil || *state != test.state || strings.Join(rest, " ") != test.rest {
			t.Errorf("%s %s: state %q, rest %q, %v", test.name, test.args, *state, rest, err)
		}
	}
}

func TestAddressesOfAllNodesAreInTheirSubnets(t *testing.T) {
	for number := 1; number <= maxNodes; number++ {
		if _, _, err := net.ParseCIDR(nodePods(number)); err != nil {
			t.Error(err)
		}
		if net.ParseIP(nodeAddress(number)) == nil {
			t.Errorf("node%d: %s", number, nodeAddress(number))
		}
	}
}

func TestAnArchiveHasEachImageWithItsLayer(t *testing.T) {
	var archive bytes.Buffer
	if err := writeArchive(&archive, newPauseImage([]byte("pause")), newBusyboxImage([]byte("busybox"))); err != nil {
		t.Fatal(err)
	}
	files := untar(t, archive.Bytes())
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 2 || manifest[0].RepoTags[0] != pauseImage || manifest[1].RepoTags[0] != busyboxImage {
		t.Fatalf("%+v", manifest)
	}
	layer := files[manifest[1].Layers[0]]
	if string(untar(t, layer)["bin/busybox"]) != "busybox" {
		t.Error("no busybox in its layer")
	}
	if !strings.Contains(string(files[manifest[1].Config]), "sha256:"+digest(layer)) {
		t.Error("the configuration does not name the layer")
	}
}

func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	archive := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = content
	}
}

func TestAClaimThatCannotBeMetIsToldWhy(t *testing.T) {
	var block, shared, fine claim
	block.Spec.StorageClassName, block.Spec.VolumeMode = sharedClass, "Block"
	shared.Spec.StorageClassName, shared.Spec.AccessModes = localClass, []string{"ReadWriteMany"}
	fine.Spec.StorageClassName, fine.Spec.AccessModes = localClass, []string{"ReadWriteOnce"}
	if refusal(block) == "" || refusal(shared) == "" || refusal(fine) != "" {
		t.Errorf("block: %q, shared: %q, fine: %q", refusal(block), refusal(shared), refusal(fine))
	}
}

func TestALocalVolumeIsOneNodesAndASharedOneIsEverybodys(t *testing.T) {
	provisioner := Provisioner{state: someState}
	if got := provisioner.folder("pvc-1", "node2"); got != "/var/tmp/a-cluster/nodes/node2/volumes/pvc-1" {
		t.Error(got)
	}
	if got := provisioner.folder("pvc-1", ""); got != "/var/tmp/a-cluster/shared/pvc-1" {
		t.Error(got)
	}
	local, err := json.Marshal(persistentVolume("pvc-1", "node2", claim{}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(local), `"values":["node2"]`) || !strings.Contains(string(local), volumesOnNode+"/pvc-1") {
		t.Error(string(local))
	}
}

func TestCertificatesAreTheAuthoritysAndHoldTheirNames(t *testing.T) {
	state := State{dir: t.TempDir()}
	if err := makeCertificates(state, 2); err != nil {
		t.Fatal(err)
	}
	api, err := newAPI(state, "node2")
	if err != nil || api == nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(state.kubeconfig())
	if err != nil || !json.Valid(config) {
		t.Error("the kubeconfig is no JSON")
	}
}

func TestACgroupTreeIsRemovedFromTheLeavesUp(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "roadstead-x/node1/kubepods/pod1"), 0o755); err != nil {
		t.Fatal(err)
	}
	cgroups := Cgroups{hierarchies: []string{root}}
	if err := cgroups.remove("roadstead-x"); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Error(entries)
	}
	if err := cgroups.remove("roadstead-x"); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}
