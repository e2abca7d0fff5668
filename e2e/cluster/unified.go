package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unifiedRoot is the top of a cgroup version 2 tree: the machine's, or, in a
// container, that of a cgroup namespace. Only the latter has a `cgroup.type`,
// and only there the kernel's rule holds that a cgroup with processes of its
// own passes no controllers on: they are set aside while there is a cluster.
type unifiedRoot string

// kubeletControllers are what the kubelet wants on every level, where the
// machine has them, and io. Memory is first: it is refused while the root has
// processes, whereas cpu would make a threaded cgroup of it, which takes no memory.
var kubeletControllers = []string{"memory", "cpu", "cpuset", "hugetlb", "pids", "io"}

const (
	// aside holds the processes that were found in a container's root.
	aside = "roadstead-processes"
	// found, followed by names, is an empty cgroup that tells which controllers
	// the root passed on before the first cluster: it lasts exactly as long as
	// what it tells of, whatever becomes of clusters and their folders.
	found = "roadstead-found"
	// clusters are the cgroups of all clusters of this tree (State.cgroupParent).
	clusters = "roadstead-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
)

// A test's plain files obey no commands, so there these are others.
var (
	writeControl = func(path, value string) error { return os.WriteFile(path, []byte(value), 0o644) }
	removeLevel  = unix.Rmdir
)

func (r unifiedRoot) path(elements ...string) string {
	return filepath.Join(append([]string{string(r)}, elements...)...)
}

// offersEnough looks whether there is anything to pass on: a container may
// have been given less than the machine has.
func (r unifiedRoot) offersEnough() error {
	offered, err := words(r.path("cgroup.controllers"))
	if err != nil {
		return err
	}
	missing := without([]string{"cpu", "cpuset", "memory", "pids"}, offered)
	if len(missing) > 0 {
		return fmt.Errorf("%s has no controllers %s (it has: %s)", r, strings.Join(missing, ", "), strings.Join(offered, ", "))
	}
	return nil
}

func (r unifiedRoot) make(name string) error {
	if err := r.locked(r.passOn); err != nil {
		return err
	}
	level := string(r)
	for _, step := range strings.Split(name, "/") {
		level = filepath.Join(level, step)
		if err := os.Mkdir(level, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := passControllersOn(level); err != nil {
			return err
		}
	}
	return nil
}

// passOn notes what the root passes on, and passes on what clusters need.
func (r unifiedRoot) passOn() error {
	if notes, _ := filepath.Glob(r.path(found + "*")); len(notes) == 0 {
		before, err := words(r.path("cgroup.subtree_control"))
		if err != nil {
			return err
		}
		note := strings.Join(append([]string{found}, before...), ".")
		if err := os.Mkdir(r.path(note), 0o755); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		if r.namespaced() {
			if err := move(string(r), r.path(aside)); err != nil {
				return err
			}
		}
		err := passControllersOn(string(r))
		// A process may have been born in the root since it was emptied.
		if !errors.Is(err, unix.EBUSY) || !r.namespaced() || try == 10 {
			return err
		}
	}
}

func (r unifiedRoot) namespaced() bool {
	_, err := os.Stat(r.path("cgroup.type"))
	return err == nil
}

// restore leaves the root as the first cluster found it, once the last is gone.
func (r unifiedRoot) restore() error {
	return r.locked(func() error {
		notes, _ := filepath.Glob(r.path(found + "*"))
		others, _ := filepath.Glob(r.path(clusters))
		if len(notes) == 0 || len(others) > 0 {
			return nil
		}
		before := strings.Split(filepath.Base(notes[0]), ".")[1:]
		now, err := words(r.path("cgroup.subtree_control"))
		if err != nil {
			return err
		}
		kept := false
		for _, controller := range without(now, before) {
			err := writeControl(r.path("cgroup.subtree_control"), "-"+controller)
			switch {
			case errors.Is(err, unix.EBUSY): // a cgroup of somebody else's passes it on by now
				kept = true
			case err != nil:
				return fmt.Errorf("taking the controller %s back from what is below %s: %w", controller, r, err)
			}
		}
		if kept {
			return nil // the next `down` tries again
		}
		if _, err := os.Stat(r.path(aside)); err == nil {
			if err := move(r.path(aside), string(r)); err != nil {
				return err
			}
			if err := removeLevel(r.path(aside)); err != nil {
				return fmt.Errorf("removing %s: %w", r.path(aside), err)
			}
		}
		return removeLevel(notes[0])
	})
}

// locked keeps clusters that start and end at once out of each other's way.
func (r unifiedRoot) locked(change func() error) error {
	folder, err := os.Open(string(r))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", r, err)
	}
	return change()
}

// passControllersOn lets the cgroups below a folder have what the kubelet wants.
func passControllersOn(folder string) error {
	offered, err := words(filepath.Join(folder, "cgroup.controllers"))
	if err != nil {
		return err
	}
	control := filepath.Join(folder, "cgroup.subtree_control")
	passed, err := words(control)
	if err != nil {
		return err
	}
	for _, controller := range without(kubeletControllers, passed) {
		if !slices.Contains(offered, controller) {
			continue
		}
		// One at a time, so that the error is of one that is named.
		if err := writeControl(control, "+"+controller); err != nil {
			return fmt.Errorf("passing the controller %s on to what is below %s: %w", controller, folder, err)
		}
	}
	return nil
}

// move moves all processes of one cgroup into another, also those that are
// born meanwhile.
func move(from, to string) error {
	for try := 0; try < 100; try++ {
		processes, err := words(filepath.Join(from, "cgroup.procs"))
		if err != nil || len(processes) == 0 {
			return err
		}
		if err := os.Mkdir(to, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		for _, process := range processes {
			if process == "0" {
				return fmt.Errorf("%s holds a process from outside this container's process-id namespace, which cannot be moved", from)
			}
			if err := writeControl(filepath.Join(to, "cgroup.procs"), process); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("moving process %s from %s to %s: %w", process, from, to, err)
			}
		}
	}
	return fmt.Errorf("processes are born in %s faster than they can be moved", from)
}

// words reads a file that the kernel makes of names.
func words(path string) ([]string, error) {
	content, err := os.ReadFile(path)
	return strings.Fields(string(content)), err
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(word string) bool { return slices.Contains(some, word) })
}
