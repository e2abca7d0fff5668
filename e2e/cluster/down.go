package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// down ends a cluster and deletes its state folder. No cluster is no error; one
// whose folder was deleted under it has processes and cgroups left.
func down(state State, keepLogs bool) error {
	if _, err := os.Stat(state.dir); errors.Is(err, fs.ErrNotExist) && len(remains(state)) == 0 {
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

// endProcesses kills the first process, and so all of the cluster; and what
// `run` left outside that process-id namespace.
func endProcesses(state State) error {
	for _, pid := range processesOf(state) {
		if err := end(pid); err != nil {
			return err
		}
	}
	return nil
}

// remains are the processes and cgroups of a cluster without its folder.
func remains(state State) []string {
	var left []string
	for _, pid := range processesOf(state) {
		left = append(left, strconv.Itoa(pid))
	}
	if cgroups, err := findCgroups(cgroupRoot); err == nil {
		left = append(left, cgroups.folders(state.cgroupParent())...)
	}
	return left
}

func removeCgroups(state State) error {
	cgroups, err := findCgroups(cgroupRoot)
	if err != nil {
		return nil // there can be none
	}
	return cgroups.remove(state.cgroupParent())
}
