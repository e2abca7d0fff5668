package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Node is the first process of a node, in namespaces of its own.
type Node struct {
	number     int
	name       string
	state      State
	settings   Settings
	parts      Parts
	report     Reporter
	supervisor *Supervisor
	failed     chan error
}

// plugDescriptor ends when the cluster has given the node its interface.
const plugDescriptor = 4

const containerdSocket = "/run/containerd/containerd.sock"

func nodeMain(args []string) error {
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	node := &Node{number: number, name: nodeName(number), state: State{dir: args[0]}, report: inheritedReporter(), failed: make(chan error, 1)}
	if node.settings, err = node.state.loadSettings(); err != nil {
		return err
	}
	if node.parts, err = partsIn(node.settings.Cache); err != nil {
		return err
	}
	node.supervisor = newSupervisor()
	ctx, cancel := context.WithTimeoutCause(context.Background(), startTimeout, fmt.Errorf("not done after %s", startTimeout))
	defer cancel()
	for _, step := range []struct {
		name string
		logs []string
		run  func(context.Context) error
	}{
		{"network and root", []string{node.name}, node.world},
		{"containerd and its first images", []string{node.name + "-images", node.name + "-containerd"}, node.containerd},
		{"kubelet and kube-proxy started", []string{node.name + "-kubelet", node.name + "-kube-proxy"}, node.kubelet},
	} {
		started := time.Now()
		err := step.run(ctx)
		report := Report{Step: node.name + ": " + step.name, Seconds: time.Since(started).Seconds()}
		if err != nil {
			report.Failed, report.Logs = err.Error(), step.logs
			node.report.send(report)
			return fmt.Errorf("%s: %w", step.name, err)
		}
		node.report.send(report)
	}
	// While `up` waits for the kubelet's work this ends the wait; later it is
	// but a line in a log, and the program is started again.
	for err := range node.failed {
		log.Print(err)
		node.report.send(Report{Step: node.name, Failed: err.Error(), Logs: []string{node.name + "-kubelet", node.name + "-kube-proxy", node.name + "-containerd"}})
	}
	return nil
}

// world makes the node's own network, root and names.
func (n *Node) world(context.Context) error {
	plug := os.NewFile(plugDescriptor, "plug")
	if _, err := io.ReadFull(plug, make([]byte, 1)); err != nil {
		return fmt.Errorf("the cluster gave no network: %w", err)
	}
	if err := setUpNodeNetwork(n.number, n.settings.Nodes); err != nil {
		return err
	}
	filtered, err := bridgesFiltered()
	if err != nil {
		return err
	}
	if err := n.enterRoot(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(n.name)); err != nil {
		return err
	}
	return n.writeFiles(!filtered)
}

func (n *Node) containerd(ctx context.Context) error {
	binary := n.settings.Containerd.Binary
	if err := n.keep(Service{name: "containerd", command: []string{binary}}); err != nil {
		return err
	}
	err := waitUnless(ctx, n.failed, 20*time.Millisecond, func() error {
		connection, err := net.Dial("unix", containerdSocket)
		if err != nil {
			return err
		}
		return connection.Close()
	})
	if err != nil {
		return err
	}
	load := exec.Command(n.settings.Containerd.ctr(), "--namespace", "k8s.io", "images", "import", n.state.path(firstImages))
	if err := n.supervisor.complete(load, n.state.log(n.name+"-images")); err != nil {
		return fmt.Errorf("importing images: %w", err)
	}
	return nil
}

// kubelet starts the rest when there is an API server to register with:
// started earlier, the kubelet's first tries fail and it backs off.
func (n *Node) kubelet(ctx context.Context) error {
	api, err := newAPI(n.state, n.name)
	if err != nil {
		return err
	}
	if err := waitUnless(ctx, n.failed, 100*time.Millisecond, func() error { return apiReady(ctx, api) }); err != nil {
		return err
	}
	return n.keep(
		Service{name: "kubelet", command: []string{
			n.parts.kube("kubelet"),
			"--config=" + kubeletConfigFile,
			"--kubeconfig=" + n.state.path("pki", n.name+".kubeconfig"),
			"--hostname-override=" + n.name,
			"--node-ip=" + nodeAddress(n.number),
		}},
		Service{name: "kube-proxy", command: []string{n.parts.kube("kube-proxy"), "--config=" + proxyConfigFile}},
	)
}

func (n *Node) keep(services ...Service) error {
	for _, service := range services {
		if err := n.supervisor.keep(service, n.state.log(n.name+"-"+service.name), n.failed); err != nil {
			return err
		}
	}
	return nil
}
