package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Cluster is the first process of a cluster: the first of a process-id
// namespace in which all others are. When it ends, however it ends, the kernel
// ends them all, and with them go every mount, interface and namespace. Only
// cgroups and the state folder are left for `down`.
type Cluster struct {
	state      State
	settings   Settings
	parts      Parts
	report     Reporter
	supervisor *Supervisor
	failed     chan error
}

// startTimeout is for a slow machine; on an idle one a start takes seconds.
const startTimeout = 3 * time.Minute

func controlPlaneMain(args []string) error {
	cluster := &Cluster{state: State{dir: args[0]}, report: inheritedReporter(), failed: make(chan error, 1)}
	if err := cluster.load(); err != nil {
		return err
	}
	cluster.supervisor = newSupervisor()
	ctx, cancel := context.WithTimeoutCause(context.Background(), startTimeout, fmt.Errorf("not done after %s", startTimeout))
	defer cancel()
	for _, step := range []struct {
		name string
		logs []string
		run  func(context.Context) error
	}{
		{"network", []string{"cluster"}, cluster.network},
		{"certificates", []string{"cluster"}, cluster.certificates},
		{"API server and etcd", []string{"etcd", "kube-apiserver"}, cluster.apiServer},
		{"controllers, scheduler, DNS, storage", []string{"kube-controller-manager", "kube-scheduler", "coredns", "cluster"}, cluster.controllers},
		{"nodes Ready", cluster.nodeLogs(), cluster.nodesReady},
	} {
		started := time.Now()
		err := step.run(ctx)
		report := Report{Step: step.name, Seconds: time.Since(started).Seconds()}
		if err != nil {
			report.Failed, report.Logs = err.Error(), step.logs
			cluster.report.send(report)
			return fmt.Errorf("%s: %w", step.name, err)
		}
		cluster.report.send(report)
	}
	// From here on the cluster lives without `up`.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0); err != nil {
		return err
	}
	cluster.report.send(Report{Ready: true})
	select {}
}

func (c *Cluster) load() error {
	var err error
	if c.settings, err = c.state.loadSettings(); err != nil {
		return err
	}
	c.parts, err = partsIn(c.settings.Cache)
	return err
}

func (c *Cluster) nodeLogs() []string {
	var logs []string
	for number := 1; number <= c.settings.Nodes; number++ {
		logs = append(logs, nodeName(number)+"-kubelet")
	}
	return append(logs, "cluster")
}

func (c *Cluster) network(context.Context) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// Of this namespace's processes; `node` finds nodes there, from outside.
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return setUpOuterNetwork(c.settings.Nodes)
}

func (c *Cluster) certificates(context.Context) error {
	if err := os.WriteFile(c.state.path("audit-policy.yaml"), []byte(auditPolicy), 0o644); err != nil {
		return err
	}
	if err := writeDNS(c.state); err != nil {
		return err
	}
	return makeCertificates(c.state, c.settings.Nodes)
}

// apiServer starts the nodes too: their containerd gets ready meanwhile.
func (c *Cluster) apiServer(ctx context.Context) error {
	if err := c.keep(etcd(c.state, c.parts), apiServer(c.state, c.parts)); err != nil {
		return err
	}
	for number := 1; number <= c.settings.Nodes; number++ {
		if err := c.startNode(number); err != nil {
			return fmt.Errorf("%s: %w", nodeName(number), err)
		}
	}
	api, err := newAPI(c.state, "admin")
	if err != nil {
		return err
	}
	return waitUnless(ctx, c.failed, 100*time.Millisecond, func() error { return apiReady(ctx, api) })
}

func (c *Cluster) controllers(ctx context.Context) error {
	if err := c.keep(controllerManager(c.state, c.parts), scheduler(c.state, c.parts)); err != nil {
		return err
	}
	api, err := newAPI(c.state, "provisioner")
	if err != nil {
		return err
	}
	if err := createFirstObjects(ctx, api); err != nil {
		return err
	}
	go Provisioner{state: c.state, api: api}.run(context.Background())
	// After the objects: they are what allows it to read Services.
	return c.keep(coreDNS(c.state, c.parts))
}

func (c *Cluster) nodesReady(ctx context.Context) error {
	api, err := newAPI(c.state, "admin")
	if err != nil {
		return err
	}
	if err := waitUnless(ctx, c.failed, 100*time.Millisecond, func() error { return nodesReady(ctx, api, c.settings.Nodes) }); err != nil {
		return err
	}
	// Without it a caller's first pod is refused.
	return waitUnless(ctx, c.failed, 100*time.Millisecond, func() error { return api.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil) })
}

func (c *Cluster) keep(services ...Service) error {
	for _, service := range services {
		if err := c.supervisor.keep(service, c.state.log(service.name), c.failed); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startNode(number int) error {
	name := nodeName(number)
	plugged, plug, err := os.Pipe()
	if err != nil {
		return err
	}
	defer plugged.Close()
	defer plug.Close()
	output, err := openLog(c.state.log(name))
	if err != nil {
		return err
	}
	defer output.Close()
	command := exec.Command("/proc/self/exe", "(node)", c.state.dir, strconv.Itoa(number))
	command.Stdout, command.Stderr = output, output
	command.ExtraFiles = []*os.File{c.report.pipe, plugged}
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	ended, err := c.supervisor.start(command)
	if err != nil {
		return err
	}
	pid := command.Process.Pid
	go func() {
		// A node's failure was reported by the node itself.
		log.Printf("%s %s", name, describe(<-ended))
	}()
	if err := writeJSON(c.state.ownerFile(name), Owner{Pid: pid}); err != nil {
		return err
	}
	if err := plugIn(number, pid); err != nil {
		return err
	}
	_, err = plug.Write([]byte{1})
	return err
}

func apiReady(ctx context.Context, api *API) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	response, err := api.send(ctx, "GET", "/readyz", nil)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
