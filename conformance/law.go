package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// law is one promise of a contract: a name "Group/Law", one sentence, and a check
// that returns nil if an implementation of S keeps it. A check may also skip, for a
// reason that is printed.
type law[S any] struct {
	name  string
	says  string
	check func(e *env, s S) error
}

// env is what a check runs in.
type env struct {
	context.Context               // ends with the law's deadline
	tb              testing.TB    // for the factory and its clean-up
	wait            time.Duration // how long an adapter may take for what it must do soon
	seed            uint64        // of all chances; printed with a failure
	virtual         bool          // time is
	mu              sync.Mutex
	logs            []string
}

// logf notes what helps to understand a failure.
func (e *env) logf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = append(e.logs, fmt.Sprintf(format, args...))
}

// slack is what a busy machine may need beyond what is promised. Virtual time needs none.
func (e *env) slack() time.Duration {
	if e.virtual {
		return 0
	}
	return e.wait
}

// skipError is a check's way to say that it cannot be made here.
type skipError struct{ why string }

func (e *skipError) Error() string { return "skipped: " + e.why }

func skip(format string, args ...any) error { return &skipError{fmt.Sprintf(format, args...)} }

// options are what the structs of the contracts have in common.
type options struct {
	except  map[string]string // name of a law: why it is not kept
	limit   time.Duration     // of each law
	wait    time.Duration
	seed    uint64
	virtual func(law string) bool // which laws run in virtual time; nil for none
}

// runLaws runs each law as a subtest.
func runLaws[S any](t *testing.T, laws []law[S], s S, o options) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(o.except)) {
		if !slices.ContainsFunc(laws, func(l law[S]) bool { return l.name == name }) {
			t.Errorf("conformance: an exception names the law %q, which does not exist; the laws are listed in docs/laws.md", name)
		}
		if strings.TrimSpace(o.except[name]) == "" {
			t.Errorf("conformance: the exception of law %q gives no reason", name)
		}
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) {
			if why, ok := o.except[l.name]; ok {
				t.Skipf("declared: %s\nlaw: %s", why, l.says)
			}
			err, logs := tryLaw(t, l, s, o)
			for _, line := range logs {
				t.Log(line)
			}
			var skipped *skipError
			switch {
			case errors.As(err, &skipped):
				t.Skipf("%s\nlaw: %s", skipped.why, l.says)
			case err != nil:
				t.Fatalf("%v\nlaw: %s\nseed: %d", err, l.says, o.seed)
			}
		})
	}
}

// checkLaw runs one check under its deadline. A check that does not come back is
// reported with the goroutines that hang, and left behind.
//
//lint:ignore ST1008 what was seen comes first here, as in a failure
func checkLaw[S any](tb testing.TB, l law[S], s S, o options) (err error, logs []string) {
	tb.Helper()
	e := &env{tb: tb, wait: o.wait, seed: o.seed, virtual: o.virtual != nil && o.virtual(l.name)}
	if e.virtual {
		o.limit += 2 * time.Hour // some laws are about hours
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.limit)
	defer cancel()
	e.Context = ctx
	done := make(chan error, 1)
	go func() {
		err := errors.New("the check was ended by FailNow or SkipNow in one of the functions that it was given")
		defer func() {
			if v := recover(); v != nil {
				buf := make([]byte, 16<<10)
				err = fmt.Errorf("panic: %v\n%s", v, buf[:runtime.Stack(buf, false)])
			}
			done <- err
		}()
		err = l.check(e, s)
	}()
	select {
	case err := <-done:
		e.mu.Lock() // a goroutine of the check may be left
		defer e.mu.Unlock()
		return err, e.logs
	case <-time.After(o.limit + o.limit/2):
		return fmt.Errorf("the check hangs; something does not return although its context has ended:\n%s", stacks()), nil
	}
}

// stacks returns those of all goroutines.
func stacks() []byte {
	buf := make([]byte, 256<<10)
	return buf[:runtime.Stack(buf, true)]
}

// tryLaw is checkLaw, in virtual time where that may be: in a bubble of
// testing/synctest, where time passes at once while all goroutines wait. Goroutines that
// stay behind there are an error.
//
//lint:ignore ST1008 as checkLaw
func tryLaw[S any](t *testing.T, l law[S], s S, o options) (err error, logs []string) {
	t.Helper()
	if o.virtual == nil || !o.virtual(l.name) {
		return checkLaw(t, l, s, o)
	}
	defer func() {
		if v := recover(); v != nil && err == nil {
			err = fmt.Errorf("when all was closed, goroutines stayed behind: %v\n%s", v, stacks())
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		if err, logs = checkLaw(t, l, s, o); err == nil {
			time.Sleep(time.Minute) // for what lingers: behind this function time stands still
		}
	})
	return err, logs
}
