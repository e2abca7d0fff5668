package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeTree is a cgroup version 2 tree of plain files that obeys commands as
// the kernel does: what a folder offers is what the one above it passes on.
type fakeTree struct {
	t    *testing.T
	root unifiedRoot
	born int // how many processes are yet born in the root, one after each move
}

func newFakeTree(t *testing.T, offered string, processes ...string) *fakeTree {
	tree := &fakeTree{t: t, root: unifiedRoot(t.TempDir())}
	tree.set(string(tree.root), "cgroup.controllers", offered)
	tree.set(string(tree.root), "cgroup.subtree_control", "")
	tree.set(string(tree.root), "cgroup.procs", strings.Join(processes, "\n"))
	write, remove := writeControl, removeLevel
	writeControl, removeLevel = tree.write, os.RemoveAll
	t.Cleanup(func() { writeControl, removeLevel = write, remove })
	return tree
}

// inContainer makes the root one of a cgroup namespace.
func (f *fakeTree) inContainer() { f.set(string(f.root), "cgroup.type", "domain") }

func (f *fakeTree) set(folder, file, value string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(folder, file), []byte(value), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeTree) get(file string) string {
	found, _ := words(f.root.path(file))
	return strings.Join(found, " ")
}

func (f *fakeTree) write(path, value string) error {
	folder, file := filepath.Split(path)
	switch before, _ := words(path); file {
	case "cgroup.procs":
		f.remove(value)
		f.set(folder, file, strings.Join(append(before, value), "\n"))
		if f.born > 0 {
			f.born--
			f.set(string(f.root), file, "9"+value)
		}
	case "cgroup.subtree_control":
		name := value[1:]
		if value[0] == '-' {
			below, _ := filepath.Glob(filepath.Join(folder, "*", file))
			for _, other := range below {
				if passed, _ := words(other); slices.Contains(passed, name) {
					return unix.EBUSY
				}
			}
			f.set(folder, file, strings.Join(without(before, []string{name}), " "))
			return nil
		}
		processes, _ := words(filepath.Join(folder, "cgroup.procs"))
		if _, err := os.Stat(filepath.Join(folder, "cgroup.type")); err == nil && len(processes) > 0 {
			return unix.EBUSY
		}
		f.set(folder, file, strings.Join(append(before, name), " "))
	}
	return nil
}

func (f *fakeTree) remove(process string) {
	groups, _ := filepath.Glob(f.root.path("*", "cgroup.procs"))
	for _, group := range append(groups, f.root.path("cgroup.procs")) {
		if processes, _ := words(group); slices.Contains(processes, process) {
			f.set(filepath.Dir(group), "cgroup.procs", strings.Join(without(processes, []string{process}), "\n"))
		}
	}
}

// cluster makes a cluster's cgroup as `up` does, on files that the kernel would
// have made.
func (f *fakeTree) cluster(name string) error {
	for _, level := range []string{name, name + "/node1"} {
		if err := os.MkdirAll(f.root.path(level), 0o755); err != nil {
			f.t.Fatal(err)
		}
		f.set(f.root.path(level), "cgroup.controllers", "cpu cpuset io memory pids")
		f.set(f.root.path(level), "cgroup.subtree_control", "")
	}
	return f.root.make(name + "/node1")
}

func (f *fakeTree) down(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.root.path(name)); err != nil {
		f.t.Fatal(err)
	}
	if err := f.root.restore(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeTree) names() []string {
	folders, _ := filepath.Glob(f.root.path("roadstead-*"))
	for i := range folders {
		folders[i] = filepath.Base(folders[i])
	}
	return folders
}

const someOffer = "cpu cpuset io memory hugetlb pids rdma misc"

func TestAContainersRootIsEmptiedForAClusterAndFilledAgain(t *testing.T) {
	tree := newFakeTree(t, someOffer, "1", "17")
	tree.inContainer()
	tree.born = 1
	if err := tree.cluster("roadstead-00000001"); err != nil {
		t.Fatal(err)
	}
	if got := tree.get("cgroup.subtree_control"); got != "memory cpu cpuset hugetlb pids io" {
		t.Errorf("passed on: %s", got)
	}
	if got := tree.get("roadstead-00000001/cgroup.subtree_control"); got != "memory cpu cpuset pids io" {
		t.Errorf("passed on below: %s", got)
	}
	if got := tree.get(aside + "/cgroup.procs"); got != "1 17 91" {
		t.Errorf("aside: %s", got)
	}
	tree.down("roadstead-00000001")
	if got := tree.get("cgroup.procs"); got != "1 17 91" {
		t.Errorf("in the root again: %s", got)
	}
	if got := tree.get("cgroup.subtree_control"); got != "" || len(tree.names()) > 0 {
		t.Errorf("left: %q, %q", got, tree.names())
	}
}

func TestTheLastClusterRestoresWhatTheFirstFound(t *testing.T) {
	tree := newFakeTree(t, someOffer, "1")
	tree.set(string(tree.root), "cgroup.subtree_control", "memory pids")
	for _, name := range []string{"roadstead-00000001", "roadstead-00000002"} {
		if err := tree.cluster(name); err != nil {
			t.Fatal(err)
		}
	}
	if got := tree.get("cgroup.procs"); got != "1" {
		t.Errorf("the machine's own root keeps its processes, not %q", got)
	}
	tree.down("roadstead-00000001")
	if got := tree.get("cgroup.subtree_control"); !strings.Contains(got, "cpuset") {
		t.Errorf("the other cluster was left with %q", got)
	}
	tree.down("roadstead-00000002")
	if got := tree.get("cgroup.subtree_control"); got != "memory pids" || len(tree.names()) > 0 {
		t.Errorf("left: %q, %q", got, tree.names())
	}
}

func TestWhatSomebodyElsePassesOnByNowIsLeft(t *testing.T) {
	tree := newFakeTree(t, someOffer)
	if err := tree.cluster("roadstead-00000001"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(tree.root.path("system.slice"), 0o755); err != nil {
		t.Fatal(err)
	}
	tree.set(tree.root.path("system.slice"), "cgroup.subtree_control", "memory cpu")
	tree.down("roadstead-00000001")
	if got := tree.get("cgroup.subtree_control"); got != "memory cpu" {
		t.Errorf("passed on: %q", got)
	}
}

func TestAControllerThatCannotBePassedOnIsNamed(t *testing.T) {
	tree := newFakeTree(t, someOffer)
	obedient := writeControl
	writeControl = func(path, value string) error {
		if value == "+cpu" {
			return unix.EINVAL // as where there are real-time processes
		}
		return obedient(path, value)
	}
	err := tree.cluster("roadstead-00000001")
	if err == nil || !strings.Contains(err.Error(), "controller cpu") {
		t.Error(err)
	}
}

func TestAProcessFromOutsideTheContainerIsSaidToBeInTheWay(t *testing.T) {
	tree := newFakeTree(t, someOffer, "0")
	tree.inContainer()
	if err := tree.cluster("roadstead-00000001"); err == nil || !strings.Contains(err.Error(), "outside") {
		t.Error(err)
	}
}

func TestATreeWithoutTheControllersIsRefusedBeforehand(t *testing.T) {
	tree := newFakeTree(t, "cpu memory")
	_, err := findCgroups(string(tree.root))
	if err == nil || !strings.Contains(err.Error(), "cpuset, pids") {
		t.Error(err)
	}
}
