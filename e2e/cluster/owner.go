package main

import (
	"errors"
	"fmt"
	"os"
)

var errNotRunning = errors.New("is not running")

// Owner is a process that `down` ends, and with it all that is its own.
type Owner struct {
	Pid     int    // of a node: in the cluster's process-id namespace
	Started string // since boot: a number that was given anew is not it
	Boot    string
}

func newOwner(pid int) (Owner, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Owner{}, err
	}
	started, _, err := processStart(pid)
	return Owner{Pid: pid, Started: started, Boot: string(boot)}, err
}

// running says whether the process of the cluster is there (a zombie is not).
func (s State) running() (Owner, error) {
	var owner Owner
	if err := readJSON(s.ownerFile("cluster"), &owner); err != nil {
		return owner, fmt.Errorf("the cluster of %s %w; start it with `cluster up`", s.dir, errNotRunning)
	}
	now, err := newOwner(owner.Pid)
	if err == nil {
		if _, zombie, err := processStart(owner.Pid); err == nil && now == owner && !zombie {
			return owner, nil
		}
	}
	return owner, fmt.Errorf("the cluster of %s %w any more; start it anew with `cluster up` (its logs: %s)", s.dir, errNotRunning, s.path("log"))
}
