package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

// TestEveryFault makes each operation on the disk fail in its turn, once or for a
// while, in all that a sink does from Open to Close: what was acknowledged is there, and
// whoever writes again what was not, opening the sink again where it says so, has it all.
func TestEveryFault(t *testing.T) {
	snapshots := []core.Snapshot{snapshotOf("a", 1, 1, 2), snapshotOf("a", 1, 2, 1800), snapshotOf("b", 1, 1, 1)}
	a, b := eventsOf("a", 1, 1, 9), eventsOf("b", 1, 1, 6)
	batches := [][]core.Event{a[:3], slices.Concat(a[3:5], b[:3], a[5:6]), a[6:], b[3:]}

	// run does it all, and returns how many operations that took.
	run := func(fault func(op disktest.Op) error) (ops int, err error) {
		dir, d := filepath.Join(t.TempDir(), "dir"), &disktest.Disk{NoSync: true}
		d.Fault(fault)
		var s *Sink
		try := func(what string, do func() error) error {
			for n := 0; ; n++ {
				err := do()
				if err == nil {
					return nil
				}
				if n == 20 {
					return fmt.Errorf("%s: %w", what, err)
				}
				if s != nil && strings.Contains(err.Error(), "no more writes") {
					if err := s.Close(context.Background()); err != nil && !errors.Is(err, syscall.EIO) {
						return fmt.Errorf("Close: %w", err)
					}
					s = nil
				}
			}
		}
		opened := func() (err error) {
			if s == nil {
				s, err = Open(Config{Dir: dir, SyncEvery: -1, Log: slog.New(slog.DiscardHandler), disk: d})
			}
			return err
		}
		for i := range 4 {
			if i < len(snapshots) {
				if err := try("WriteSnapshot", func() error {
					if err := opened(); err != nil {
						return err
					}
					return s.WriteSnapshot(context.Background(), snapshots[i])
				}); err != nil {
					return 0, err
				}
			}
			done := 0
			if err := try("WriteEvents", func() error {
				if err := opened(); err != nil {
					return err
				}
				n, err := s.WriteEvents(context.Background(), batches[i][done:])
				done += n
				if err == nil && done < len(batches[i]) {
					err = fmt.Errorf("%d of %d events, and no error", done, len(batches[i]))
				}
				return err
			}); err != nil {
				return 0, err
			}
		}
		err = s.Close(context.Background())
		ops = d.Ops()
		if err != nil && !errors.Is(err, syscall.EIO) {
			return 0, err
		}
		d.Fault(nil)
		r := open(t, Config{Dir: dir, disk: d})
		holds(t, r, "a", snapshots[:2], a)
		holds(t, r, "b", snapshots[2:], b)
		closed(t, r)
		return ops, nil
	}
	ops, err := run(nil)
	if err != nil {
		t.Fatal(err)
	}
	if ops < 40 {
		t.Fatalf("%d operations only", ops)
	}
	for _, long := range []int{1, 4} {
		for at := range ops {
			_, err := run(func(op disktest.Op) error {
				switch {
				case op.N < at || op.N >= at+long:
					return nil
				case op.Kind == "WriteAt" && at%3 > 0:
					return &disktest.ShortWrite{N: op.Size * (at % 3) / 3, Err: syscall.ENOSPC}
				}
				return syscall.EIO
			})
			if err != nil {
				t.Fatalf("operations from %d on, %d of them, of %d: %v", at, long, ops, err)
			}
		}
	}
}

// TestDiskFull holds what a write says of a disk that is full, and that the next one
// succeeds when there is room.
func TestDiskFull(t *testing.T) {
	dir, d := t.TempDir(), new(disktest.Disk)
	s := open(t, Config{Dir: dir, disk: d})
	mustWrite(t, s, nil, eventsOf("m", 1, 1, 2))
	before := readFile(t, fileOf(dir, "m"))
	line := len(eventLine(t, "m", 3))
	d.Fault(func(op disktest.Op) error {
		if op.Kind == "WriteAt" {
			return &disktest.ShortWrite{N: 2*line + 10, Err: syscall.ENOSPC}
		}
		return nil
	})
	if n, err := s.WriteEvents(t.Context(), eventsOf("m", 1, 3, 5)); n != 2 || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), fileOf(dir, "m")) {
		t.Errorf("%d events, %v", n, err)
	}
	if got := len(readFile(t, fileOf(dir, "m"))); got != len(before)+2*line {
		t.Errorf("the file has %d bytes, want %d and two lines of %d", got, len(before), line)
	}
	if err := s.WriteSnapshot(t.Context(), snapshotOf("m", 1, 1, 5000)); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := s.WriteSnapshot(t.Context(), snapshotOf("new", 1, 1, 5)); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if names, err := s.Matches(t.Context()); err != nil || !slices.Equal(names, []string{"m"}) {
		t.Errorf("%q, %v", names, err)
	}
	d.Fault(nil)
	mustWrite(t, s, []core.Snapshot{snapshotOf("m", 1, 1, 5000), snapshotOf("new", 1, 1, 5)}, eventsOf("m", 1, 5, 3))
	holds(t, s, "m", []core.Snapshot{snapshotOf("m", 1, 1, 5000)}, eventsOf("m", 1, 1, 7))
	holds(t, s, "new", []core.Snapshot{snapshotOf("new", 1, 1, 5)}, nil)
}

func eventLine(t *testing.T, match string, seq uint64) []byte {
	t.Helper()
	f := formOf(match)
	line, err := f.appendEvent(nil, eventsOf(match, 1, seq, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// TestPoisoned holds that after an fsync that failed a match takes no more writes, even
// if the disk says that all is well, and others do.
func TestPoisoned(t *testing.T) {
	for _, ack := range []Ack{AckDisk, AckOS} {
		dir, d, log := t.TempDir(), new(disktest.Disk), newLogbook()
		s := open(t, Config{Dir: dir, Ack: ack, SyncEvery: -1, Log: slog.New(log), disk: d})
		mustWrite(t, s, []core.Snapshot{snapshotOf("other", 1, 1, 1)}, eventsOf("m", 1, 1, 2))
		synced(t, s, "m")
		failed := make(chan struct{}, 1)
		d.Fault(func(op disktest.Op) error {
			if op.Kind == "Sync" && op.Name == fileOf(dir, "m") {
				select {
				case failed <- struct{}{}:
					return syscall.EIO
				default:
				}
			}
			return nil
		})
		n, err := s.WriteEvents(t.Context(), eventsOf("m", 1, 3, 2))
		if ack == AckDisk && (n != 0 || !errors.Is(err, syscall.EIO)) || ack == AckOS && err != nil {
			t.Errorf("the fsync failed: %d, %v", n, err)
		}
		synced(t, s, "m") // with AckOS the next write may come before the fsync
		for range 3 {
			n, err := s.WriteEvents(t.Context(), eventsOf("m", 1, 5, 2))
			if err2 := s.WriteSnapshot(t.Context(), snapshotOf("m", 1, 1, 1)); n != 0 || !errors.Is(err, syscall.EIO) || !errors.Is(err2, syscall.EIO) || !strings.Contains(err.Error(), "no more writes") {
				t.Errorf("after that: %d, %v; %v", n, err, err2)
			}
		}
		mustWrite(t, s, []core.Snapshot{snapshotOf("other", 1, 2, 1)}, eventsOf("fresh", 1, 1, 1))
		if c := contentOf(t, s, "m"); c.eventErr != nil || len(c.events) != 4 {
			t.Errorf("what is there cannot be read any more: %v", c)
		}
		if _, errs := log.counts(); errs != 1 {
			t.Errorf("%d errors logged", errs)
		}
		if err := s.Close(t.Context()); (ack == AckOS) != errors.Is(err, syscall.EIO) {
			t.Errorf("Close: %v, and nobody else told of an fsync with AckOS", err)
		}
		again := open(t, Config{Dir: dir})
		mustWrite(t, again, nil, eventsOf("m", 1, 1, 9))
		holds(t, again, "m", nil, eventsOf("m", 1, 1, 9))
	}
}

// TestPower pulls the plug in the middle of writes: what was acknowledged is there.
func TestPower(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for round := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, round))
		dir, d := t.TempDir(), &disktest.Disk{Power: true}
		s := open(t, Config{Dir: dir, SyncEvery: -1, disk: d})
		var snapshots []core.Snapshot
		events := 0
		for range 1 + r.IntN(5) {
			var more []core.Snapshot
			if r.IntN(2) == 0 {
				more = append(more, snapshotOf("m", 1, uint64(len(snapshots)+1), r.IntN(50)))
			}
			n := r.IntN(20)
			mustWrite(t, s, more, eventsOf("m", 1, uint64(events+1), n))
			snapshots, events = append(snapshots, more...), events+n
		}
		// A write that is with the operating system, and not on the disk.
		written, plug := make(chan struct{}), make(chan struct{})
		d.Fault(func(op disktest.Op) error {
			if op.Kind == "Sync" {
				close(written)
				<-plug
				return syscall.EIO
			}
			return nil
		})
		last := snapshotOf("m", 1, 99, 30)
		done := make(chan error, 1)
		lastEvents := eventsOf("m", 1, uint64(events+1), 20)
		go func() {
			var err error
			if r.IntN(2) == 0 {
				err = s.WriteSnapshot(context.Background(), last)
			} else {
				_, err = s.WriteEvents(context.Background(), lastEvents)
			}
			done <- err
		}()
		<-written
		close(plug)
		if err := <-done; !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		d.Fault(nil)
		closed(t, s)
		if err := d.LosePower(r); err != nil {
			t.Fatal(err)
		}
		again := open(t, Config{Dir: dir})
		c := contentOf(t, again, "m")
		where := fmt.Sprintf("seed %d, round %d", seed, round)
		prefix(t, where+", the events", c.events, texts(t, append(eventsOf("m", 1, 1, events), lastEvents...), eventText))
		prefix(t, where+", the snapshots", c.snapshots, texts(t, append(snapshots, last), snapshotText))
		if c.eventErr != nil || c.snapErr != nil || len(c.events) < events || len(c.snapshots) < len(snapshots) {
			t.Fatalf("%s: %d of %d events and %d of %d snapshots, %v; %v", where, len(c.events), events, len(c.snapshots), len(snapshots), c.eventErr, c.snapErr)
		}
		mustWrite(t, again, append(snapshots, last), append(eventsOf("m", 1, 1, events), lastEvents...))
		holds(t, again, "m", append(snapshots, last), append(eventsOf("m", 1, 1, events), lastEvents...))
		closed(t, again)
	}
}

// TestChanged has somebody else's hands in a file that is in use.
func TestChanged(t *testing.T) {
	for what, change := range map[string]func(name string) error{
		"deleted":  os.Remove,
		"moved":    func(name string) error { return os.Rename(name, name+".old") },
		"cut":      func(name string) error { return os.Truncate(name, 200) },
		"emptied":  func(name string) error { return os.Truncate(name, 0) },
		"extended": func(name string) error { return os.WriteFile(name, append(mustRead(name), "more\n"...), 0o644) },
		"replaced": func(name string) error {
			return errors.Join(os.WriteFile(name+".new", mustRead(name), 0o644), os.Rename(name+".new", name))
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir, log := t.TempDir(), newLogbook()
			s := open(t, Config{Dir: dir, Log: slog.New(log)})
			mustWrite(t, s, []core.Snapshot{snapshotOf("m", 1, 1, 5)}, eventsOf("m", 1, 1, 5))
			if err := change(fileOf(dir, "m")); err != nil {
				t.Skipf("the system does not let that happen: %v", err)
			}
			if c := contentOf(t, s, "m"); what != "extended" && (!errors.Is(c.eventErr, errChanged) || !errors.Is(c.snapErr, errChanged)) {
				t.Errorf("reading: %v; %v", c.eventErr, c.snapErr)
			}
			for range 2 {
				n, err := s.WriteEvents(t.Context(), eventsOf("m", 1, 6, 1))
				if err2 := s.WriteSnapshot(t.Context(), snapshotOf("m", 1, 2, 5)); n != 0 || !errors.Is(err, errChanged) || !errors.Is(err2, errChanged) {
					t.Errorf("%d, %v; %v", n, err, err2)
				}
			}
			if _, errs := log.counts(); errs != 1 {
				t.Errorf("%d errors logged", errs)
			}
			mustWrite(t, s, nil, eventsOf("other", 1, 1, 1))
			closed(t, s)
			again := open(t, Config{Dir: dir})
			if err := again.WriteSnapshot(t.Context(), snapshotOf("m", 1, 2, 5)); err != nil {
				t.Error(err)
			}
		})
	}
}

func mustRead(name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}

// TestNotAllowed opens directories that cannot be written to.
func TestNotAllowed(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{"Lock", "Stat", "MkdirAll", "SyncDir"} {
		d := new(disktest.Disk)
		d.Fault(func(op disktest.Op) error {
			if op.Kind == kind {
				return fs.ErrPermission
			}
			return nil
		})
		if s, err := Open(Config{Dir: filepath.Join(dir, "new "+kind), disk: d}); s != nil || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "new "+kind) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	name := filepath.Join(dir, "file")
	writeFile(t, name, nil)
	for _, readOnly := range []bool{true, false} {
		if s, err := Open(Config{Dir: name, ReadOnly: readOnly}); s != nil || err == nil {
			t.Errorf("a file as a directory: %v", err)
		}
	}
	if os.Getuid() > 0 { // everything is allowed to 0, and Windows has none
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o555); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(Config{Dir: locked}); s != nil || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a directory that is read-only: %v", err)
		}
	}
}
