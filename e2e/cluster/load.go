package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// load imports image archives (docker-archive or OCI) on every node at once.
func load(state State, archives []string) error {
	if len(archives) == 0 {
		return errors.New("load what? `cluster load TAR...`")
	}
	if _, err := state.running(); err != nil {
		return err
	}
	settings, err := state.loadSettings()
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if _, err := os.Stat(archive); err != nil {
			return fmt.Errorf("image archive: %w", err)
		}
	}
	begin := time.Now()
	var group sync.WaitGroup
	failures := make([]error, settings.Nodes)
	for number := 1; number <= settings.Nodes; number++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for _, archive := range archives {
				failures[number-1] = errors.Join(failures[number-1], loadOn(state, settings, nodeName(number), archive))
			}
		}()
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, archive := range archives {
		fmt.Printf("loaded %s on %d nodes\n", filepath.Base(archive), settings.Nodes)
	}
	fmt.Printf("load took %.1f s\n", time.Since(begin).Seconds())
	return nil
}

// loadOn runs `cluster node`, since one process can enter one node; the
// archive goes through standard input, for the node may not see its path.
func loadOn(state State, settings Settings, node, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	command := exec.Command("/proc/self/exe", "--state", state.dir, "node", node, "--",
		settings.Containerd.ctr(), "--namespace", "k8s.io", "images", "import", "-")
	command.Stdin = file
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s on %s: %w: %s", archive, node, err, strings.TrimSpace(string(output)))
	}
	return nil
}
