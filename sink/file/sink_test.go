package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-net/parley/core"
)

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := Open(Config{Dir: dir, ReadOnly: true}); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("read what is not there: %v", err)
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("no directory at all was opened")
	}
	if _, err := Open(Config{Dir: dir, Ack: 7}); err == nil {
		t.Error("an Ack that there is not was taken")
	}
	s := open(t, Config{Dir: dir})
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second writer: %v", err)
	}
	open(t, Config{Dir: dir, ReadOnly: true})
	closed(t, s)
	again := open(t, Config{Dir: dir})
	closed(t, s) // does not take the lock of its successor away
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, core.ErrRefused) {
		t.Errorf("a second writer: %v", err)
	}
	closed(t, again)
}

// TestOtherProcess lets another process have the directory, until it is killed.
func TestOtherProcess(t *testing.T) {
	if dir := os.Getenv("PARLEY_TEST_HOLD"); dir != "" {
		_, err := Open(Config{Dir: dir})
		fmt.Println("opened:", err)
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or its parent ends
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOtherProcess$")
	cmd.Env = append(os.Environ(), "PARLEY_TEST_HOLD="+dir)
	out, err := cmd.StdoutPipe()
	in, err2 := cmd.StdinPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var said string
	_, _ = fmt.Fscanln(out, &said, &said)
	_, err = Open(Config{Dir: dir})
	if !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), fmt.Sprint("process ", cmd.Process.Pid)) {
		t.Errorf("the other process said %q; opened here: %v", said, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // was killed
	open(t, Config{Dir: dir})
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	r := open(t, Config{Dir: dir, ReadOnly: true})
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("reading made %v, %v", entries, err)
	}
	if err := r.WriteSnapshot(t.Context(), snapshotOf("m", 1, 1, 1)); !errors.Is(err, core.ErrUnsupported) {
		t.Error(err)
	}
	if n, err := r.WriteEvents(t.Context(), eventsOf("m", 1, 1, 1)); n != 0 || !errors.Is(err, core.ErrUnsupported) {
		t.Error(n, err)
	}
	holds(t, r, "m", nil, nil)
	// It sees what comes, one record after the other, and a new file in the old one's place.
	w := open(t, Config{Dir: dir})
	var snapshots []core.Snapshot
	for tick := range uint64(4) {
		snapshots = append(snapshots, snapshotOf("m", 1, tick, 3))
		mustWrite(t, w, snapshots[tick:], eventsOf("m", 1, tick*2+1, 2))
		holds(t, r, "m", snapshots, eventsOf("m", 1, 1, int(tick)*2+2))
	}
	closed(t, w)
	if err := os.Remove(fileOf(dir, "m")); err != nil {
		t.Fatal(err)
	}
	holds(t, r, "m", nil, nil)
	w = open(t, Config{Dir: dir})
	mustWrite(t, w, snapshots[:1], nil)
	holds(t, r, "m", snapshots[:1], nil)
	if err := os.Truncate(fileOf(dir, "m"), 0); err != nil {
		t.Fatal(err)
	}
	holds(t, r, "m", nil, nil)
	closed(t, r)
	if _, err := r.Matches(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Error(err)
	}
}

// TestFirstStays holds that what is stored under a key is not changed by what comes
// under it later, in this process and the next.
func TestFirstStays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	mustWrite(t, s, []core.Snapshot{snapshotOf("m", 1, 1, 3)}, eventsOf("m", 1, 1, 2))
	size := len(readFile(t, fileOf(dir, "m")))
	for range 2 {
		other, events := snapshotOf("m", 1, 1, 7), eventsOf("m", 1, 1, 2)
		events[0].Kind = "other"
		mustWrite(t, s, []core.Snapshot{other}, events)
		holds(t, s, "m", []core.Snapshot{snapshotOf("m", 1, 1, 3)}, eventsOf("m", 1, 1, 2))
		if got := len(readFile(t, fileOf(dir, "m"))); got != size {
			t.Errorf("the file has %d bytes, and had %d", got, size)
		}
		closed(t, s)
		s = open(t, Config{Dir: dir})
	}
	// Twins within a batch, in any order.
	e := eventsOf("m", 2, 1, 5)
	mustWrite(t, s, nil, []core.Event{e[2], e[2], e[0], e[1], e[0], e[4], e[3], e[4], e[2]})
	holds(t, s, "m", []core.Snapshot{snapshotOf("m", 1, 1, 3)}, slices.Concat(eventsOf("m", 1, 1, 2), e))
	closed(t, s)
	holds(t, open(t, Config{Dir: dir, ReadOnly: true}), "m", []core.Snapshot{snapshotOf("m", 1, 1, 3)}, slices.Concat(eventsOf("m", 1, 1, 2), e))
}

// TestRanges reads parts of a log that is longer than one run.
func TestRanges(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir, Ack: AckOS})
	all := eventsOf("m", 1, 1, 3000) // two a tick
	mustWrite(t, s, nil, all[:1000])
	mustWrite(t, s, []core.Snapshot{snapshotOf("m", 1, 7, 5)}, all[1000:])
	for _, r := range [][2]uint64{{0, 0}, {1, 1}, {0, 9}, {499, 501}, {700, 1400}, {1499, 1500}, {1500, 9999}, {1501, 9999}, {9, 1}} {
		var got []core.Event
		for e, err := range s.Events(t.Context(), "m", r[0], r[1]) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(e core.Event) bool { return e.Tick < r[0] || e.Tick > r[1] })
		if !slices.Equal(texts(t, got, eventText), texts(t, want, eventText)) {
			t.Errorf("ticks %d to %d: %d events, want %d", r[0], r[1], len(got), len(want))
		}
	}
	if j, err := s.journal("m"); err != nil || len(j.x.runs) < 4 || len(j.x.runs) > 20 {
		t.Errorf("%d runs, %v", len(j.x.runs), err)
	}
}

// TestManyMatches uses more matches than may be open.
func TestManyMatches(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir, Ack: AckOS, SyncEvery: -1})
	const matches = maxOpen + 50
	name := func(i int) string { return fmt.Sprint("match ", i) }
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for round := range uint64(2) {
				for i := w; i < matches; i += 4 {
					if n, err := s.WriteEvents(t.Context(), eventsOf(name(i), 1, round*2+1, 2)); n != 2 || err != nil {
						t.Error(n, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.journals); n > maxOpen {
		t.Errorf("%d matches are open, want at most %d", n, maxOpen)
	}
	for i := range matches {
		holds(t, s, name(i), nil, eventsOf(name(i), 1, 1, 4))
	}
	if names, err := s.Matches(t.Context()); err != nil || len(names) != matches || !slices.IsSorted(names) {
		t.Errorf("%d matches, %v", len(names), err)
	}
	closed(t, s)
}

// TestPanic holds that a caller's iterator that panics leaves nothing behind.
func TestPanic(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	x := snapshotOf("m", 1, 1, 4000)
	objects := x.Objects
	x.Objects = func(yield func(core.ObjectState) bool) {
		objects(yield)
		panic("the game's")
	}
	func() {
		defer func() {
			if v := recover(); v != "the game's" {
				t.Errorf("recovered %v", v)
			}
		}()
		_ = s.WriteSnapshot(t.Context(), x)
		t.Error("no panic")
	}()
	if got := readFile(t, fileOf(dir, "m")); len(got) > 0 {
		t.Errorf("%d bytes are left", len(got))
	}
	mustWrite(t, s, []core.Snapshot{snapshotOf("m", 1, 1, 4000)}, eventsOf("m", 1, 1, 1))
	holds(t, s, "m", []core.Snapshot{snapshotOf("m", 1, 1, 4000)}, eventsOf("m", 1, 1, 1))
	closed(t, s)
}

// TestNoObjects: nothing says where the objects are, so there are none.
func TestNoObjects(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	x := core.Snapshot{Match: "m", Epoch: 1, Tick: 1, Time: epochStart}
	mustWrite(t, s, []core.Snapshot{x}, nil)
	holds(t, s, "m", []core.Snapshot{x}, nil)
}

// TestCloseWhileReading closes a sink in the middle of loops over what it holds.
func TestCloseWhileReading(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	mustWrite(t, s, []core.Snapshot{snapshotOf("m", 1, 1, 3), snapshotOf("m", 1, 2, 3)}, eventsOf("m", 1, 1, 5))
	var last error
	for x, err := range s.Snapshots(t.Context(), "m", 0, 9) {
		if last = err; err != nil {
			break
		}
		closed(t, s)
		if text := snapshotText(t, x); text != snapshotText(t, snapshotOf("m", 1, 1, 3)) {
			t.Errorf("a snapshot that was read changed when the sink was closed: %s", text)
		}
	}
	if !errors.Is(last, core.ErrClosed) {
		t.Errorf("the loop ended with %v", last)
	}
	_, latest := s.Latest(t.Context(), "m")
	_, matches := s.Matches(t.Context())
	errs := []error{latest, matches}
	for _, err := range s.Events(t.Context(), "m", 0, 9) {
		errs = append(errs, err)
	}
	for i, err := range errs {
		if !errors.Is(err, core.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestSlowSnapshot holds that others wait for a snapshot of the same match no longer
// than their context, and for one of another match not at all.
func TestSlowSnapshot(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	under, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	x := snapshotOf("m", 1, 1, 1)
	objects := x.Objects
	x.Objects = func(yield func(core.ObjectState) bool) {
		close(under)
		<-release
		objects(yield)
	}
	go func() { done <- s.WriteSnapshot(context.Background(), x) }()
	<-under
	mustWrite(t, s, nil, eventsOf("other", 1, 1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() {
		_, err := s.WriteEvents(ctx, eventsOf("m", 1, 1, 1))
		waits <- err
	}()
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	holds(t, s, "m", []core.Snapshot{snapshotOf("m", 1, 1, 1)}, nil)
}
