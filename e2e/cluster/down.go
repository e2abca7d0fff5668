package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// down ends a cluster and deletes its state folder. No cluster is no error.
func down(state State, keepLogs bool) error {
	if _, err := os.Stat(state.dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Println("no cluster in", state.dir)
		return nil
	}
	if os.Getenv(clusterVariable) == state.dir {
		return errors.New("down from within `run` would end the shell that it is called from; call it from outside")
	}
	if os.Geteuid() != 0 {
		return errors.New("down needs root, as up did")
	}
	release, err := state.claim()
	if err != nil {
		return err
	}
	defer release()
	begin := time.Now()
	if err := clean(state, keepLogs); err != nil {
		return err
	}
	if !keepLogs {
		if err := os.RemoveAll(state.dir); err != nil {
			return err
		}
	}
	fmt.Printf("down in %.1f s: %s\n", time.Since(begin).Seconds(), state.dir)
	return nil
}

func clean(state State, keepLogs bool) error {
	if err := endProcesses(state); err != nil {
		return err
	}
	if err := removeCgroups(state); err != nil {
		return err
	}
	return state.empty(keepLogs)
}

// endProcesses kills the first process, and so all of the cluster; what `run`
// left outside that process-id namespace goes by itself.
func endProcesses(state State) error {
	if owner, err := state.running(); err == nil {
		if err := end(owner.Pid); err != nil {
			return err
		}
	}
	for _, pid := range strays(state) {
		if err := end(pid); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroups(state State) error {
	cgroups, err := findCgroups("/sys/fs/cgroup")
	if err != nil {
		return nil // there can be none
	}
	return cgroups.remove(state.cgroupParent())
}
