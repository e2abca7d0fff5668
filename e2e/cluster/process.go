package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processStart reads when a process started, and whether it is but a zombie.
func processStart(pid int) (started string, zombie bool, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	return parseStat(string(stat))
}

// parseStat reads fields 3 and 22 of /proc/PID/stat. Field 2, the name, may
// hold spaces and brackets; what follows the last bracket is safe.
func parseStat(stat string) (started string, zombie bool, err error) {
	end := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[end+1:])
	if end < 0 || len(fields) < 20 {
		return "", false, fmt.Errorf("unreadable process status %q", stat)
	}
	return fields[19], fields[0] == "Z", nil
}

// end kills a process and waits until it, or all but its zombie, is gone.
func end(pid int) error {
	before, _, err := processStart(pid)
	if err != nil {
		return nil
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		started, zombie, err := processStart(pid)
		if err != nil || zombie || started != before {
			return nil
		}
	}
	return fmt.Errorf("process %d was killed but does not end", pid)
}

// controlPlaneCommand is the first argument of a cluster's first process.
const controlPlaneCommand = "(control-plane)"

// clusterVariable marks what `run` and `node` start, and its children.
const clusterVariable = "ROADSTEAD_CLUSTER"

// processesOf are a cluster's first process, by its command, and what `run`
// started and outlived its caller, by its environment. The notes in the state
// folder are not needed for it, so a folder that was deleted is not either.
func processesOf(state State) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	first := []byte(controlPlaneCommand + "\x00" + state.dir + "\x00")
	mark := []byte(clusterVariable + "=" + state.dir)
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		command, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		environment, _ := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if bytes.HasSuffix(command, first) || slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(variable []byte) bool { return bytes.Equal(variable, mark) }) {
			found = append(found, pid)
		}
	}
	return found
}
