package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// up starts a cluster and waits until its nodes are Ready. What a former one
// left in the state folder, running or not, is taken down first.
func up(state State, given options) error {
	if given.nodes < 1 || given.nodes > maxNodes {
		return fmt.Errorf("--nodes is %d; it can be 1 to %d", given.nodes, maxNodes)
	}
	if os.Getenv(clusterVariable) == state.dir {
		return errors.New("up from within `run` would end the shell that it is called from; call it from outside")
	}
	parts, err := openParts()
	if err != nil {
		return err
	}
	if err := state.checkOurs(); err != nil {
		return err
	}
	containerd, err := preflight(state, parts, given.containerd)
	if err != nil {
		return err
	}
	release, err := state.claim()
	if err != nil {
		return err
	}
	defer release()
	begin := time.Now()
	if err := clean(state, false); err != nil {
		return err
	}
	settings := Settings{Nodes: given.nodes, Cache: parts.cache, Containerd: containerd}
	fmt.Printf("Kubernetes with %d nodes, containerd %d.%d, in %s:\n", given.nodes, containerd.Major, containerd.Minor, state.dir)
	if err := prepare(state, settings, parts); err != nil {
		return errors.Join(fmt.Errorf("preparing: %w", err), endFailed(state))
	}
	if err := launch(state); err != nil {
		return errors.Join(err, endFailed(state))
	}
	fmt.Printf("up in %.1f s: %d nodes Ready\n", time.Since(begin).Seconds(), given.nodes)
	return nil
}

// endFailed ends what a failed start has started; its logs stay.
func endFailed(state State) error {
	if err := endProcesses(state); err != nil {
		return err
	}
	return removeCgroups(state)
}

// prepare makes what the cluster's processes expect to find.
func prepare(state State, settings Settings, parts Parts) error {
	cgroups, err := findCgroups(cgroupRoot)
	if err != nil {
		return err
	}
	for _, folder := range []string{state.path("log"), state.path("run"), state.path("etcd")} {
		// etcd insists on 0700 for its own.
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	for number := 1; number <= settings.Nodes; number++ {
		name := nodeName(number)
		for _, folder := range nodeFolders(state, name) {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
		}
		if err := cgroups.make(state.cgroup(name)); err != nil {
			return err
		}
	}
	if err := writeFirstImages(state, parts); err != nil {
		return err
	}
	return state.saveSettings(settings)
}

// launch starts the cluster's first process and shows its reports. Until it
// is ready it dies with `up`, so a killed `up` leaves no process behind.
func launch(state State) error {
	reports, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	output, err := openLog(state.log("cluster"))
	if err != nil {
		return err
	}
	defer output.Close()
	command := exec.Command("/proc/self/exe", controlPlaneCommand, state.dir)
	command.Dir = "/"
	// Not the caller's environment: a proxy set there is not for a cluster.
	command.Env = []string{"HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	command.Stdout, command.Stderr = output, output
	command.ExtraFiles = []*os.File{pipe}
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the cluster's first process: %w", err)
	}
	pipe.Close()
	owner, err := newOwner(command.Process.Pid)
	if err != nil {
		return err
	}
	if err := writeJSON(state.ownerFile("cluster"), owner); err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	done := make(chan error, 1)
	go func() { done <- follow(state, reports) }()
	select {
	case err := <-done:
		return err
	case received := <-interrupted:
		return fmt.Errorf("ended by signal %s before the cluster was up", received)
	}
}

func follow(state State, reports *os.File) error {
	lines := bufio.NewScanner(reports)
	for lines.Scan() {
		var report Report
		if err := json.Unmarshal(lines.Bytes(), &report); err != nil {
			return fmt.Errorf("unreadable report %q", lines.Text())
		}
		switch {
		case report.Ready:
			return nil
		case report.Failed != "":
			return failure(state, report)
		}
		fmt.Printf("  %-40s %6.1f s\n", report.Step, report.Seconds)
	}
	return failure(state, Report{Step: "start", Failed: "the cluster's first process ended", Logs: []string{"cluster"}})
}

// failure shows the step, why, and the end of the logs that explain it.
func failure(state State, report Report) error {
	var message strings.Builder
	fmt.Fprintf(&message, "%s failed after %.1f s: %s", report.Step, report.Seconds, report.Failed)
	for _, name := range report.Logs {
		lines := lastLines(state.log(name), 15)
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&message, "\n  the end of %s:", state.log(name))
		for _, line := range lines {
			fmt.Fprintf(&message, "\n    %s", line)
		}
	}
	fmt.Fprintf(&message, "\nall logs stay in %s", state.path("log"))
	return errors.New(message.String())
}

func lastLines(path string, count int) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-count):]
}
