package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroups is the machine's cgroup tree: version 2 (unified.go), version 1, or
// version 1 with version 2 beside it, which then has no controllers.
type Cgroups struct {
	unified     bool
	hierarchies []string // folders in which a cgroup is made: one for version 2, one a controller for version 1
}

const cgroupRoot = "/sys/fs/cgroup"

// What the kubelet wants to find in /proc/self/mountinfo of a version 1 node.
var version1Controllers = []string{"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory"}

func findCgroups(root string) (Cgroups, error) {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return Cgroups{unified: true, hierarchies: []string{root}}, errors.Join(writable(root), unifiedRoot(root).offersEnough())
	}
	var missing []string
	for _, controller := range version1Controllers {
		if _, err := os.Stat(filepath.Join(root, controller, "cgroup.procs")); err != nil {
			missing = append(missing, controller)
		}
	}
	if len(missing) > 0 {
		return Cgroups{}, fmt.Errorf("no %s in %s", strings.Join(missing, ", "), root)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return Cgroups{}, err
	}
	var found Cgroups
	for _, entry := range entries {
		folder := filepath.Join(root, entry.Name())
		// "cpu" and "cpuacct" may be links to one "cpu,cpuacct".
		if resolved, err := filepath.EvalSymlinks(folder); err != nil || resolved != folder {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder, "cgroup.procs")); err != nil {
			continue
		}
		if err := writable(folder); err != nil {
			return found, err
		}
		found.hierarchies = append(found.hierarchies, folder)
	}
	return found, nil
}

func writable(folder string) error {
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return fmt.Errorf("%s cannot be written to: %w", folder, err)
	}
	return nil
}

// make creates a cgroup, level by level, so that the kubelet can make its own
// under it.
func (c Cgroups) make(name string) error {
	if c.unified {
		return unifiedRoot(c.hierarchies[0]).make(name)
	}
	for _, hierarchy := range c.hierarchies {
		level := hierarchy
		for _, step := range strings.Split(name, "/") {
			above := level
			level = filepath.Join(level, step)
			if err := os.Mkdir(level, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := fillCpuset(above, level); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillCpuset gives a version 1 cpuset what the one above it has: it starts
// empty, and no process may enter an empty one.
func fillCpuset(above, level string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(above, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(level, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// folders are those of a cgroup that are there.
func (c Cgroups) folders(name string) []string {
	var found []string
	for _, hierarchy := range c.hierarchies {
		if _, err := os.Stat(filepath.Join(hierarchy, name)); err == nil {
			found = append(found, filepath.Join(hierarchy, name))
		}
	}
	return found
}

// remove deletes a cgroup with all under it. The kernel lets a cgroup go only
// some time after its last process, so it tries for a while.
func (c Cgroups) remove(name string) error {
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		err = nil
		for _, hierarchy := range c.hierarchies {
			err = errors.Join(err, removeCgroup(filepath.Join(hierarchy, name)))
		}
		if err != nil {
			continue
		}
		if c.unified {
			return unifiedRoot(c.hierarchies[0]).restore()
		}
		return nil
	}
	return fmt.Errorf("cgroup %s cannot be removed: %w", name, err)
}

func removeCgroup(top string) error {
	var folders []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	sort.Sort(sort.Reverse(sort.StringSlice(folders))) // children before their parent
	for _, folder := range folders {
		if err := unix.Rmdir(folder); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return nil
}
