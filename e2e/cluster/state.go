package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// State is the folder that is one cluster, and all names derived from it.
// Clusters share the machine's cgroup tree and process list, nothing else: so
// only names there carry the folder's hash; addresses are the same in each.
type State struct {
	dir string
}

// marker says that a folder is a cluster's: `up` and `down` delete what is in
// there, and must never do that to a folder that somebody named by mistake.
const marker = ".roadstead-cluster"

// Settings are what `up` was asked for, for the processes that it starts.
type Settings struct {
	Nodes      int
	Cache      string
	Containerd Containerd
}

func openState(dir string) (State, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return State{}, err
	}
	// One folder must have one name, or two `up` by two paths would not meet.
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = resolved
	}
	if strings.ContainsAny(absolute, ":,\\\"") {
		// They separate the options of an overlay mount.
		return State{}, fmt.Errorf("the state folder %q must not contain : , \\ or \"; choose another with --state", absolute)
	}
	return State{dir: absolute}, nil
}

func (s State) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

func (s State) log(name string) string      { return s.path("log", name+".log") }
func (s State) kubeconfig() string          { return s.path("admin.kubeconfig") }
func (s State) node(name string) string     { return s.path("nodes", name) }
func (s State) cgroupParent() string        { return "roadstead-" + s.hash() }
func (s State) cgroup(node string) string   { return s.cgroupParent() + "/" + node }
func (s State) settingsFile() string        { return s.path("settings.json") }
func nodeName(number int) string            { return fmt.Sprintf("node%d", number) }
func (s State) ownerFile(who string) string { return s.path("run", who+".json") }

func (s State) hash() string {
	sum := sha256.Sum256([]byte(s.dir))
	return hex.EncodeToString(sum[:4])
}

// checkOurs refuses a folder that holds anything but a cluster.
func (s State) checkOurs() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.path(marker)); err != nil {
		return fmt.Errorf("the folder %s is not empty and is no cluster's; nothing in it was touched. Choose another with --state", s.dir)
	}
	return nil
}

// claim takes the folder for this command, and says if another one has it.
func (s State) claim() (release func(), err error) {
	if err := s.checkOurs(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.path(marker), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("another `cluster up` or `down` works on %s; wait for it", s.dir)
	}
	return func() { file.Close() }, nil
}

// empty deletes everything but the marker, and the logs if asked to keep them.
func (s State) empty(keepLogs bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == marker || keepLogs && entry.Name() == "log" {
			continue
		}
		if err := os.RemoveAll(s.path(entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s State) saveSettings(settings Settings) error { return writeJSON(s.settingsFile(), settings) }

func (s State) loadSettings() (Settings, error) {
	var settings Settings
	err := readJSON(s.settingsFile(), &settings)
	return settings, err
}

func writeJSON(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func readJSON(path string, value any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, value)
}
