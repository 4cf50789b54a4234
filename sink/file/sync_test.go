package file

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

// countSyncs counts the fsyncs of a disk.
func countSyncs(d *disktest.Disk) *atomic.Int64 {
	var n atomic.Int64
	d.Fault(func(op disktest.Op) error {
		if op.Kind == "Sync" {
			n.Add(1)
		}
		return nil
	})
	return &n
}

// TestGroup holds when an fsync comes, in virtual time: at once after a quiet time, and
// else as far from the one before as the Config says, for all that wait.
func TestGroup(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		syncs := countSyncs(d)
		s := open(t, Config{Dir: dir, disk: d})
		took := func(seq uint64) time.Duration {
			start := time.Now()
			mustWrite(t, s, nil, eventsOf("m", 1, seq, 1))
			return time.Since(start)
		}
		if d := took(1); d != 0 {
			t.Errorf("the first write took %v", d)
		}
		if d := took(2); d != syncDisk {
			t.Errorf("the write after it took %v", d)
		}
		time.Sleep(time.Second)
		if d := took(3); d != 0 {
			t.Errorf("a write after a quiet time took %v", d)
		}
		before := syncs.Load()
		start := time.Now()
		var wg sync.WaitGroup
		for i := range uint64(100) {
			wg.Go(func() {
				if n, err := s.WriteEvents(context.Background(), eventsOf("m", 1, 4+i, 1)); n != 1 || err != nil {
					t.Error(n, err)
				}
			})
		}
		wg.Wait()
		if took, n := time.Since(start), syncs.Load()-before; took != syncDisk || n != 1 {
			t.Errorf("100 writes at once took %v and %d fsyncs", took, n)
		}
		before = syncs.Load()
		mustWrite(t, s, nil, eventsOf("m", 1, 1, 103))
		if n := syncs.Load() - before; n != 0 {
			t.Errorf("what is on the disk took %d fsyncs", n)
		}
		// Another match does not wait for this one.
		start = time.Now()
		mustWrite(t, s, nil, eventsOf("other", 1, 1, 1))
		if took := time.Since(start); took != 0 {
			t.Errorf("another match took %v", took)
		}
		closed(t, s)
	})
}

// TestAckOS holds that a write does not wait for the disk, which has the bytes a bit
// later, and that Close brings them there at once.
func TestAckOS(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		syncs := countSyncs(d)
		s := open(t, Config{Dir: dir, Ack: AckOS, disk: d})
		start := time.Now()
		mustWrite(t, s, nil, eventsOf("m", 1, 1, 1))
		synctest.Wait()
		mustWrite(t, s, nil, eventsOf("m", 1, 2, 1))
		mustWrite(t, s, nil, eventsOf("m", 1, 3, 1))
		if took := time.Since(start); took != 0 || syncs.Load() != 1 {
			t.Errorf("writes took %v and %d fsyncs", took, syncs.Load())
		}
		time.Sleep(syncOS - 1)
		synctest.Wait()
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d fsyncs before it is time", n)
		}
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		if n := syncs.Load(); n != 2 {
			t.Errorf("%d fsyncs when it is time", n)
		}
		mustWrite(t, s, nil, eventsOf("m", 1, 4, 1))
		start = time.Now()
		closed(t, s)
		if took := time.Since(start); took != 0 || syncs.Load() != 3 {
			t.Errorf("Close took %v, and there were %d fsyncs", took, syncs.Load())
		}
	})
}

// TestNoPause holds that SyncEvery below zero waits for nothing.
func TestNoPause(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{Dir: dir, SyncEvery: -1})
		start := time.Now()
		for i := range uint64(5) {
			mustWrite(t, s, nil, eventsOf("m", 1, i+1, 1))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		closed(t, s)
	})
}

// TestWaitEnds holds what a write returns whose context ends while the disk is waited
// for, and that writing it again waits too.
func TestWaitEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		release := make(chan struct{})
		d.Fault(func(op disktest.Op) error {
			if op.Kind == "Sync" {
				<-release
			}
			return nil
		})
		s := open(t, Config{Dir: dir, disk: d})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if n, err := s.WriteEvents(ctx, eventsOf("m", 1, 1, 3)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Error(n, err)
		}
		again := make(chan error, 2)
		go func() {
			_, err := s.WriteEvents(context.Background(), eventsOf("m", 1, 1, 3))
			again <- err
		}()
		synctest.Wait()
		go func() { again <- s.Close(context.Background()) }()
		synctest.Wait()
		if len(again) > 0 {
			t.Errorf("a write or Close did not wait for the disk: %v", <-again)
		}
		close(release)
		if err := errors.Join(<-again, <-again); err != nil {
			t.Error(err)
		}
	})
}

// TestFailedSyncIsShared holds that all who wait for an fsync hear that it failed.
func TestFailedSyncIsShared(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		s := open(t, Config{Dir: dir, disk: d})
		mustWrite(t, s, nil, eventsOf("m", 1, 1, 1))
		d.Fault(func(op disktest.Op) error {
			if op.Kind == "Sync" {
				return syscall.EIO
			}
			return nil
		})
		var wg sync.WaitGroup
		for i := range uint64(10) {
			wg.Go(func() {
				if n, err := s.WriteEvents(context.Background(), eventsOf("m", 1, 2+i, 1)); n != 0 || !errors.Is(err, syscall.EIO) {
					t.Error(n, err)
				}
			})
		}
		wg.Wait()
		closed(t, s)
	})
}
