package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed parts.txt
var partsTable string

// Part is a line of parts.txt.
type Part struct {
	Name, Set, Kind, Version string
}

// Parts are the folders that scripts/setup.sh made.
type Parts struct {
	cache string
	list  []Part
}

// partsIn are the parts in a known folder: what `up` tells its processes.
func partsIn(cache string) (Parts, error) {
	list, err := parseParts(partsTable)
	return Parts{cache: cache, list: list}, err
}

func parseParts(table string) ([]Part, error) {
	var parts []Part
	for number, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 5 {
			return nil, fmt.Errorf("parts.txt, line %d: %q has not the five columns", number+1, line)
		}
		parts = append(parts, Part{Name: fields[0], Set: fields[1], Kind: fields[2], Version: fields[3]})
	}
	return parts, nil
}

func openParts() (Parts, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return Parts{}, fmt.Errorf("cannot tell where the parts are: %w", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	return partsIn(filepath.Join(cache, "roadstead"))
}

// dir is the folder of a part, whether it is there or not.
func (p Parts) dir(name string) string {
	for _, part := range p.list {
		if part.Name == name {
			return filepath.Join(p.cache, part.Name, part.Version)
		}
	}
	panic("parts.txt has no part " + name)
}

func (p Parts) program(part, program string) string { return filepath.Join(p.dir(part), program) }

func (p Parts) kube(program string) string { return p.program("kube", program) }

// debian is a path in the unpacked Debian packages that nodes are made of.
func (p Parts) debian(path string) string { return filepath.Join(p.dir("debian"), path) }

func (p Parts) missing(set string) []string {
	var missing []string
	for _, part := range p.list {
		if part.Set != set {
			continue
		}
		if _, err := os.Stat(p.dir(part.Name)); err != nil {
			missing = append(missing, part.Name+" "+part.Version)
		}
	}
	return missing
}

// path are the folders with programs for people: what `run` puts before PATH.
func (p Parts) path() []string {
	var folders []string
	for _, part := range p.list {
		folder := p.dir(part.Name)
		switch part.Name {
		case "debian", "containerd", "pause", "bench", "docker", "vm": // of use only on a node, to the benchmark, to tests that ask for it, or to a virtual machine
			continue
		case "clients":
			folder += "/bin"
		}
		if _, err := os.Stat(folder); err == nil {
			folders = append(folders, folder)
		}
	}
	return folders
}

// debianRoots are the unpacked Debian packages that are there, uppermost first.
func (p Parts) debianRoots() []string {
	var roots []string
	for _, name := range []string{"clients", "debian"} {
		if _, err := os.Stat(p.dir(name)); err == nil {
			roots = append(roots, p.dir(name))
		}
	}
	return roots
}

// Containerd is the one that the nodes run; shim and ctr are found beside it.
type Containerd struct {
	Binary       string
	Major, Minor int
}

func (c Containerd) dir() string { return filepath.Dir(c.Binary) }
func (c Containerd) ctr() string { return filepath.Join(c.dir(), "ctr") }

var containerdVersion = regexp.MustCompile(`containerd\S* +v?(\d+)\.(\d+)`)

// parseContainerdVersion reads `containerd --version`, whose third word is
// "1.6.20~ds1" from Debian, "v2.2.1" from a release, "2.2.1+unknown" from Go.
func parseContainerdVersion(output string) (major, minor int, err error) {
	match := containerdVersion.FindStringSubmatch(output)
	if match == nil {
		return 0, 0, fmt.Errorf("no version in %q", strings.TrimSpace(output))
	}
	major, _ = strconv.Atoi(match[1])
	minor, _ = strconv.Atoi(match[2])
	return major, minor, nil
}
