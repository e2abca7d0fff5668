// Command cluster runs a real Kubernetes on one Linux machine: a control plane
// and N nodes, each in namespaces of its own, with nothing installed and the
// machine's /etc, network and firewall untouched. See README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
)

const usage = `cluster: a real Kubernetes on one Linux machine

  cluster up [--nodes N] [--containerd BIN]   start it (anew, if it runs)
  cluster down [--keep-logs]                  stop it; nothing stays
  cluster load TAR...                         put image archives on every node
  cluster kubectl ARGS...                     kubectl, as its administrator
  cluster node NAME -- CMD...                 run CMD on a node
  cluster run -- CMD...                       run CMD beside the control plane: KUBECONFIG is
                                              set, kubectl and helm are on PATH, cluster names resolve

Each takes --state DIR, before or after its name (default target/cluster/state):
one folder is one cluster, and several can run beside one another.
`

func init() {
	// Namespaces and the death signal of a child belong to a thread. Staying
	// on the first one, everything that the program does is in one place.
	runtime.LockOSThread()
}

func main() {
	// Reached only through /proc/self/exe: the processes of a cluster.
	if len(os.Args) > 1 {
		if inside, ok := insideCommands[os.Args[1]]; ok {
			exit(inside(os.Args[2:]))
		}
	}
	exit(command(os.Args[1:]))
}

var insideCommands = map[string]func([]string) error{
	controlPlaneCommand: controlPlaneMain,
	"(node)":            nodeMain,
	"(probe)":           probeMain,
}

// exitCode is the status of a command that was run for the caller: its own
// output has said what there is to say.
type exitCode int

func (code exitCode) Error() string { return fmt.Sprintf("exit status %d", int(code)) }

func exit(err error) {
	var code exitCode
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

type options struct {
	state      string
	nodes      int
	containerd string
	keepLogs   bool
}

func command(args []string) error {
	var given options
	// The flags before the command's name and those after it are one set: both
	// `--state DIR run -- CMD` and `run --state DIR -- CMD` are natural.
	global := flag.NewFlagSet("cluster", flag.ContinueOnError)
	global.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	global.StringVar(&given.state, "state", "target/cluster/state", "")
	if err := global.Parse(args); err != nil {
		return flagError(err)
	}
	args = global.Args()
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitCode(2)
	}
	name := args[0]
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.Usage = global.Usage
	flags.StringVar(&given.state, "state", given.state, "")
	if name == "up" {
		flags.IntVar(&given.nodes, "nodes", 2, "")
		flags.StringVar(&given.containerd, "containerd", "", "")
	}
	if name == "down" {
		flags.BoolVar(&given.keepLogs, "keep-logs", false, "")
	}
	rest, err := parseRest(flags, name, args[1:])
	if err != nil {
		return flagError(err)
	}
	state, err := openState(given.state)
	if err != nil {
		return err
	}
	switch name {
	case "up", "down":
		if len(rest) > 0 {
			return fmt.Errorf("%s takes no argument, but got %q; `cluster` alone shows the usage", name, rest)
		}
		if name == "up" {
			return up(state, given)
		}
		return down(state, given.keepLogs)
	case "load":
		return load(state, rest)
	case "kubectl":
		return kubectl(state, rest)
	case "node":
		return onNode(state, rest)
	case "run":
		return run(state, rest)
	case "help":
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("no command %q; `cluster` alone shows the usage", name)
}

// parseRest parses flags up to the first word that is none. What kubectl is
// given is kubectl's, so there only a leading --state is ours.
func parseRest(flags *flag.FlagSet, name string, args []string) ([]string, error) {
	if name == "kubectl" {
		if len(args) == 0 || !isStateFlag(args[0]) {
			return args, nil
		}
		if args[0] == "--state" || args[0] == "-state" {
			if len(args) < 2 {
				return nil, errors.New("--state needs a folder")
			}
			return args[2:], flags.Parse(args[:2])
		}
		return args[1:], flags.Parse(args[:1])
	}
	if name == "node" && len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		// node NAME --state DIR -- CMD
		node := args[0]
		err := flags.Parse(args[1:])
		return append([]string{node}, flags.Args()...), err
	}
	err := flags.Parse(args)
	return flags.Args(), err
}

func isStateFlag(arg string) bool {
	for _, prefix := range []string{"--state", "-state"} {
		if arg == prefix || len(arg) > len(prefix) && arg[:len(prefix)+1] == prefix+"=" {
			return true
		}
	}
	return false
}

func flagError(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return exitCode(0)
	}
	return exitCode(2) // the flag package has said why
}
