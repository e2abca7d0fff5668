package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// kubectl runs in the cluster's network, with the machine's files.
func kubectl(state State, args []string) error {
	owner, err := state.running()
	if err != nil {
		return err
	}
	parts, err := openParts()
	if err != nil {
		return err
	}
	if err := enterNetwork(owner); err != nil {
		return err
	}
	return unix.Exec(parts.kube("kubectl"), append([]string{"kubectl"}, args...), clientEnvironment(state, parts))
}

// run runs a command in the cluster's network, with its names and its clients.
func run(state State, command []string) error {
	command = afterDashes(command)
	if len(command) == 0 {
		return errors.New("run what? `cluster run -- CMD...`")
	}
	owner, err := state.running()
	if err != nil {
		return err
	}
	parts, err := openParts()
	if err != nil {
		return err
	}
	if err := enterNetwork(owner); err != nil {
		return err
	}
	if err := layClients(state, parts); err != nil {
		return err
	}
	environment := clientEnvironment(state, parts)
	os.Setenv("PATH", lookUp(environment, "PATH"))
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return unix.Exec(program, command, environment)
}

func enterNetwork(owner Owner) error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster's namespaces can be entered by root only")
	}
	return enter(fmt.Sprintf("/proc/%d/ns/net", owner.Pid), unix.CLONE_NEWNET)
}

func enter(namespace string, kind int) error {
	file, err := os.Open(namespace)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), kind); err != nil {
		return fmt.Errorf("entering %s: %w", namespace, err)
	}
	return nil
}

// layClients gives this process mounts of its own: the clients from Debian
// packages laid over /usr, and an /etc whose resolv.conf is the cluster's. All
// else is the machine's, so that what a command writes is where it says.
func layClients(state State, parts Parts) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	scratch := state.path("run", "etc")
	var programs, settings []string
	for _, root := range parts.debianRoots() {
		programs = append(programs, filepath.Join(root, "usr"))
		if _, err := os.Stat(filepath.Join(root, "etc")); err == nil {
			settings = append(settings, filepath.Join(root, "etc"))
		}
	}
	for _, mount := range []mount{
		{flags: unix.MS_REC | unix.MS_PRIVATE, target: "/"},
		{source: "tmpfs", target: scratch, kind: "tmpfs"},
		{source: "overlay", target: "/usr", kind: "overlay", options: "lowerdir=" + strings.Join(append(programs, "/usr"), ":")},
	} {
		if err := mount.make(); err != nil {
			return err
		}
	}
	for _, folder := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(scratch, folder), 0o755); err != nil {
			return err
		}
	}
	etc := mount{source: "overlay", target: "/etc", kind: "overlay", options: fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s",
		strings.Join(append(settings, "/etc"), ":"), filepath.Join(scratch, "upper"), filepath.Join(scratch, "work"))}
	if err := etc.make(); err != nil {
		return err
	}
	if err := os.RemoveAll("/etc/resolv.conf"); err != nil {
		return err
	}
	return os.WriteFile("/etc/resolv.conf", []byte("nameserver "+dnsAddress+"\nsearch cluster.local\noptions ndots:3\n"), 0o644)
}

func clientEnvironment(state State, parts Parts) []string {
	path := append(parts.path(), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	if own := os.Getenv("PATH"); own != "" {
		path = append(parts.path(), own, "/usr/sbin", "/sbin")
	}
	noProxy := ".svc,.cluster.local,10.0.0.0/8,127.0.0.1,localhost"
	if own := os.Getenv("NO_PROXY"); own != "" {
		noProxy = own + "," + noProxy
	}
	return append(os.Environ(),
		clusterVariable+"="+state.dir,
		"KUBECONFIG="+state.kubeconfig(),
		// kubectl's and helm's notes about an API server at the same address
		// in each cluster must not be taken for another's.
		"KUBECACHEDIR="+state.path("run", "kubectl-cache"),
		"PATH="+strings.Join(path, ":"),
		"NO_PROXY="+noProxy, "no_proxy="+noProxy,
	)
}

func lookUp(environment []string, name string) string {
	for i := len(environment) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environment[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// onNode runs a command in a node's namespaces.
func onNode(state State, args []string) error {
	if len(args) == 0 || len(afterDashes(args[1:])) == 0 {
		return errors.New("which node, and what? `cluster node NAME -- CMD...`")
	}
	command, err := nodeCommand(state, args[0], afterDashes(args[1:]))
	if err != nil {
		return err
	}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return runForCaller(command)
}

// nodeCommand moves this process into a node and gives a command to start
// there. There is no way back: one process can enter one node.
func nodeCommand(state State, name string, args []string) (*exec.Cmd, error) {
	owner, err := state.running()
	if err != nil {
		return nil, err
	}
	settings, err := state.loadSettings()
	if err != nil {
		return nil, err
	}
	var node Owner
	if err := readJSON(state.ownerFile(name), &node); err != nil || name == "cluster" {
		return nil, fmt.Errorf("no node %q in the cluster of %s; it has node1 to %s", name, state.dir, nodeName(settings.Nodes))
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a node can be entered by root only")
	}
	// The node's number is one of the cluster's own process-id namespace, which
	// the /proc that the cluster's first process mounted shows.
	process := fmt.Sprintf("/proc/%d/root/proc/%d/ns/", owner.Pid, node.Pid)
	// This thread must not share its root with others when it changes mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, err
	}
	// Opened before the mounts change: afterwards this /proc is another.
	var files []*os.File
	kinds := []string{"uts", "ipc", "net", "pid", "mnt"}
	for _, kind := range kinds {
		file, err := os.Open(process + kind)
		if err != nil {
			return nil, fmt.Errorf("%s is gone: %w", name, err)
		}
		files = append(files, file)
	}
	for i, file := range files {
		if err := unix.Setns(int(file.Fd()), 0); err != nil {
			return nil, fmt.Errorf("entering the %s namespace of %s: %w", kinds[i], name, err)
		}
		file.Close()
	}
	environment := []string{
		"HOME=/root", "TERM=" + os.Getenv("TERM"), clusterVariable + "=" + state.dir,
		"PATH=" + settings.Containerd.dir() + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	// LookPath, as all system calls of this thread, sees the node's files.
	os.Setenv("PATH", lookUp(environment, "PATH"))
	program, err := exec.LookPath(args[0])
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", name, err)
	}
	command := exec.Command(program, args[1:]...)
	command.Args[0] = args[0]
	command.Dir = "/"
	command.Env = environment
	return command, nil
}

// runForCaller stands between the caller and a command: signals go to the
// command, its status to the caller.
func runForCaller(command *exec.Cmd) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := command.Start(); err != nil {
		return err
	}
	go func() {
		for received := range signals {
			// From a terminal the command has had an interrupt itself.
			if received != syscall.SIGINT {
				_ = command.Process.Signal(received)
			}
		}
	}()
	err := command.Wait()
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		status := exited.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			return exitCode(128 + int(status.Signal()))
		}
		return exitCode(status.ExitStatus())
	}
	return err
}

func afterDashes(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}
