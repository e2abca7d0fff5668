package main

import (
	"context"
	"fmt"
	"time"
)

// wait asks until ready says so; what it said last is the reason if it never does.
func wait(ctx context.Context, every time.Duration, ready func() error) error {
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %v)", context.Cause(ctx), err)
		case <-time.After(every):
		}
	}
}

// waitUnless ends early, with the reason, when a process that is waited for or
// needed has ended.
func waitUnless(ctx context.Context, failed <-chan error, every time.Duration, ready func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	return wait(ctx, every, ready)
}
