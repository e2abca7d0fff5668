package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// enterRoot makes the node's root and moves into it: the machine's own root,
// with the unpacked Debian packages laid over its /usr, and above all folders
// of the node's that take every change.
func (n *Node) enterRoot() error {
	root := n.state.node(n.name) + "/root"
	for _, mount := range n.mounts(root) {
		if err := mount.make(); err != nil {
			return err
		}
	}
	// pivot_root refuses a shared root, so first private …
	old := filepath.Join(root, "old")
	if err := os.MkdirAll(old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(root, old); err != nil {
		return fmt.Errorf("pivot_root to %s: %w", root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the machine's root: %w", err)
	}
	if err := os.Remove("/old"); err != nil {
		return err
	}
	// … and then shared: the kubelet propagates mounts into pods and back.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

func (m mount) make() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
		return fmt.Errorf("mount %s %s: %w", m.kind, m.target, err)
	}
	return nil
}

func (n *Node) mounts(root string) []mount {
	own := func(folder string) string { return filepath.Join(n.state.node(n.name), folder) }
	bind := func(source, target string) mount {
		return mount{source: source, target: filepath.Join(root, target), flags: unix.MS_BIND}
	}
	bindAll := func(path string) mount {
		return mount{source: path, target: filepath.Join(root, path), flags: unix.MS_BIND | unix.MS_REC}
	}
	fresh := func(kind, target string) mount {
		return mount{source: kind, target: filepath.Join(root, target), kind: kind}
	}
	return []mount{
		{flags: unix.MS_REC | unix.MS_PRIVATE, target: "/"},
		{source: "overlay", target: root, kind: "overlay", options: fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s",
			own("upper"), own("work"))},
		// An overlay of its own: the kernel refuses two lower folders of which
		// one is inside the other ("too many levels of symbolic links"), and the
		// packages are somewhere under the machine's root.
		{source: "overlay", target: filepath.Join(root, "usr"), kind: "overlay", options: fmt.Sprintf("lowerdir=%s:/usr,upperdir=%s,workdir=%s",
			n.parts.debian("usr"), own("usr"), own("usr-work"))},
		fresh("proc", "/proc"),
		// Of the node's network namespace; it comes without cgroups, so these
		// are bound, whatever version they are.
		fresh("sysfs", "/sys"),
		bindAll("/sys/fs/cgroup"),
		bindAll("/dev"),
		fresh("tmpfs", "/run"),
		fresh("tmpfs", "/tmp"),
		// The folders of this set-up, at their own paths, for they may be on
		// another file system than the machine's root, or in its /tmp.
		bind(n.settings.Cache, n.settings.Cache),
		bind(n.state.dir, n.state.dir),
		bind(n.settings.Containerd.dir(), n.settings.Containerd.dir()),
		// An overlay on an overlay fails: what containerd unpacks into and
		// what the kubelet mounts under are real folders.
		bind(own("containerd"), "/var/lib/containerd"),
		bind(own("kubelet"), "/var/lib/kubelet"),
		bind(own("logs"), "/var/log/pods"),
		bind(own("volumes"), volumesOnNode),
		bind(n.state.path("shared"), sharedOnNode),
	}
}

// nodeFolders are the sources of the mounts above.
func nodeFolders(state State, name string) []string {
	folders := []string{state.path("shared")}
	for _, folder := range []string{"upper", "work", "usr", "usr-work", "root", "containerd", "kubelet", "logs", "volumes"} {
		folders = append(folders, filepath.Join(state.node(name), folder))
	}
	return folders
}
