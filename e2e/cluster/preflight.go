package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// preflight looks for everything that `up` needs and gives all that lacks at
// once, before anything is touched.
func preflight(state State, parts Parts, containerd string) (Containerd, error) {
	var lacking []string
	lack := func(format string, args ...any) { lacking = append(lacking, fmt.Sprintf(format, args...)) }
	forbidden := false // something lacks that a container can be given

	if missing := parts.missing("demo"); len(missing) > 0 {
		lack("parts (%s) in %s: run `make setup`", strings.Join(missing, ", "), parts.cache)
	}
	if strings.ContainsAny(parts.cache, ":,\\") {
		lack("a cache folder without : , \\ in its name (it is %s): set XDG_CACHE_HOME", parts.cache)
	}
	if link, err := os.Readlink("/bin"); err != nil || !strings.HasSuffix(link, "usr/bin") {
		lack("a merged /usr (/bin is no link to usr/bin)")
	}
	if overlay, err := onOverlay(state.dir); err == nil && overlay {
		forbidden = true
		lack("a state folder on a real disk (%s is on an overlay, on which containerd cannot build another): use --state", state.dir)
	}
	if problem := fullDisk(state.dir); problem != "" {
		lack("%s", problem)
	}
	runtime, err := findContainerd(parts, containerd)
	if err != nil && (containerd != "" || len(parts.missing("demo")) == 0) {
		lack("containerd: %v", err)
	}
	if os.Geteuid() != 0 {
		lack("root: a cluster is made of namespaces, mounts and cgroups")
	} else {
		if _, err := findCgroups(cgroupRoot); err != nil {
			forbidden = true
			lack("cgroups: %v", err)
		}
		if problems := probe(parts); len(problems) > 0 {
			forbidden = true
			lacking = append(lacking, problems...)
		}
	}
	if forbidden && inContainer() {
		lack("a container that may do this: start it as root with --privileged, and with this folder and %s on volumes", parts.cache)
	}
	if len(lacking) > 0 {
		return runtime, fmt.Errorf("this machine lacks what a cluster needs; nothing was touched:\n  - %s", strings.Join(lacking, "\n  - "))
	}
	return runtime, nil
}

func inContainer() bool {
	for _, sign := range []string{"/.dockerenv", "/run/.containerenv", cgroupRoot + "/cgroup.type"} {
		if _, err := os.Stat(sign); err == nil {
			return true
		}
	}
	return os.Getenv("container") != ""
}

func findContainerd(parts Parts, binary string) (Containerd, error) {
	if binary == "" {
		binary = parts.debian("usr/bin/containerd")
	}
	absolute, err := filepath.Abs(binary)
	if err != nil {
		return Containerd{}, err
	}
	found := Containerd{Binary: absolute}
	for _, neighbour := range []string{"containerd-shim-runc-v2", "ctr"} {
		if _, err := os.Stat(filepath.Join(found.dir(), neighbour)); err != nil {
			return found, fmt.Errorf("%s: its %s must lie beside it", absolute, neighbour)
		}
	}
	output, err := exec.Command(absolute, "--version").Output()
	if err != nil {
		return found, fmt.Errorf("%s --version: %w", absolute, err)
	}
	found.Major, found.Minor, err = parseContainerdVersion(string(output))
	return found, err
}

func onOverlay(path string) (bool, error) {
	info, err := fileSystem(path)
	return err == nil && info.Type == unix.OVERLAYFS_SUPER_MAGIC, err
}

// fullDisk says that the kubelet would delete images and evict pods at once: it
// does so below one hundredth (kubeletConfig), and a cluster needs some itself.
func fullDisk(path string) string {
	info, err := fileSystem(path)
	if err != nil || info.Bavail*50 >= info.Blocks {
		return ""
	}
	return fmt.Sprintf("room on the disk of %s: %d MB are free; a fiftieth of it, %d MB, is needed", path,
		info.Bavail*uint64(info.Bsize)>>20, info.Blocks*uint64(info.Bsize)/50>>20)
}

// fileSystem is that of a path, or of the nearest folder above that is there.
func fileSystem(path string) (unix.Statfs_t, error) {
	for {
		var info unix.Statfs_t
		err := unix.Statfs(path, &info)
		if errors.Is(err, unix.ENOENT) && path != "/" {
			path = filepath.Dir(path)
			continue
		}
		return info, err
	}
}

// probe tries what nodes are made of in namespaces that end with it: only a
// trial tells a kernel feature that is there from one that is there but
// forbidden (a container without capabilities, a locked-down kernel).
func probe(parts Parts) []string {
	command := exec.Command("/proc/self/exe", "(probe)", parts.dir("debian"))
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	output, err := command.Output()
	if err == nil {
		return nil
	}
	var exited *exec.ExitError
	if !errors.As(err, &exited) {
		return []string{fmt.Sprintf("namespaces (mount, network, pid, uts, ipc): %v", err)}
	}
	return strings.Split(strings.TrimSpace(string(output)+string(exited.Stderr)), "\n")
}

const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// probeMain prints a line per feature that lacks.
func probeMain(args []string) error {
	debian := args[0]
	failed := false
	try := func(what string, feature func() error) {
		if err := feature(); err != nil {
			fmt.Printf("%s: %v\n", what, err)
			failed = true
		}
	}
	try("private mounts", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") })
	if failed {
		return exitCode(1) // what follows would be seen by the machine
	}
	try("a tmpfs of one's own", func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "") })
	try("overlayfs", probeOverlay)
	try("bridge and veth interfaces", probeLinks)
	if _, err := os.Stat(debian); err == nil {
		try("nftables with NAT", func() error { return probeNftables(debian) })
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

func probeOverlay() error {
	for _, folder := range []string{"/tmp/upper", "/tmp/work", "/tmp/root"} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	}
	return unix.Mount("overlay", "/tmp/root", "overlay", 0, "lowerdir=/etc,upperdir=/tmp/upper,workdir=/tmp/work")
}

func probeLinks() error {
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "probe0"}}); err != nil {
		return err
	}
	return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "probe1"}, PeerName: "probe2"})
}

func probeNftables(debian string) error {
	command := exec.Command(filepath.Join(debian, "usr/sbin/nft"), "-f", "-")
	libraries, _ := filepath.Glob(filepath.Join(debian, "usr/lib/*-linux-gnu"))
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	command.Stdin = strings.NewReader(`table ip probe {
		chain nat { type nat hook prerouting priority dstnat; meta l4proto tcp dnat to 10.0.0.1:80; }
		chain out { type nat hook postrouting priority srcnat; ct mark 1 masquerade; }
	}`)
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(strings.Fields(string(output)), " "))
	}
	return nil
}
