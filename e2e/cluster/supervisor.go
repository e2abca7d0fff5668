package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Supervisor starts the processes of a process-id namespace, whose first
// process it runs in. Being first, it inherits every orphan (containerd's
// shims, what a pod leaves), so it alone waits, for any child; exec.Cmd.Wait
// would race with it.
type Supervisor struct {
	mutex    sync.Mutex
	children map[int]chan syscall.WaitStatus
}

func newSupervisor() *Supervisor {
	s := &Supervisor{children: map[int]chan syscall.WaitStatus{}}
	go s.reap()
	return s
}

func (s *Supervisor) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.ECHILD {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			continue
		}
		// start holds the mutex until the child is known, so a child that ends
		// at once is not taken for an orphan.
		s.mutex.Lock()
		if ended, ok := s.children[pid]; ok {
			ended <- status
			delete(s.children, pid)
		}
		s.mutex.Unlock()
	}
}

// start runs a command without waiting for it; ended gets its status.
func (s *Supervisor) start(command *exec.Cmd) (ended <-chan syscall.WaitStatus, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := command.Start(); err != nil {
		return nil, err
	}
	channel := make(chan syscall.WaitStatus, 1)
	s.children[command.Process.Pid] = channel
	return channel, nil
}

// complete runs a command to its end, with its output in a log.
func (s *Supervisor) complete(command *exec.Cmd, log string) error {
	file, err := openLog(log)
	if err != nil {
		return err
	}
	defer file.Close()
	command.Stdout, command.Stderr = file, file
	ended, err := s.start(command)
	if err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return fmt.Errorf("%s %s", command.Args[0], describe(status))
	}
	return nil
}

// Service is a program that has to run as long as the cluster does.
type Service struct {
	name    string // of its log, and for people
	command []string
	env     []string
}

// keep runs a service for ever: one that ends is started again after a second,
// as a machine's init would. The first end, with what it was, goes to failed
// if anyone listens there (`up` does while it waits for a service).
func (s *Supervisor) keep(service Service, log string, failed chan<- error) error {
	file, err := openLog(log)
	if err != nil {
		return err
	}
	launch := func() (<-chan syscall.WaitStatus, error) {
		command := exec.Command(service.command[0], service.command[1:]...)
		command.Env = append(os.Environ(), service.env...)
		command.Stdout, command.Stderr = file, file
		return s.start(command)
	}
	ended, err := launch()
	if err != nil {
		return fmt.Errorf("%s: %w", service.name, err)
	}
	go func() {
		for {
			status := <-ended
			fmt.Fprintf(file, "--- %s %s; started again in a second\n", service.name, describe(status))
			select {
			case failed <- fmt.Errorf("%s %s", service.name, describe(status)):
			default:
			}
			time.Sleep(time.Second)
			for ended, err = launch(); err != nil; ended, err = launch() {
				fmt.Fprintf(file, "--- %s: %v\n", service.name, err)
				time.Sleep(time.Second)
			}
		}
	}()
	return nil
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "was ended by signal " + status.Signal().String()
	}
	return fmt.Sprintf("ended with status %d", status.ExitStatus())
}
