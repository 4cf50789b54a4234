package file

import (
	"context"
	"fmt"
	"time"
)

// batch is what shares one fsync.
type batch struct {
	done chan struct{}
	upto int64 // bytes of the file, once the fsync has begun
	err  error // once done is closed
}

// flush sees to it that all that was written is forced to the disk, and returns what to
// wait for, or nil if it is there.
func (j *journal) flush() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.f == nil || j.synced >= j.x.end:
		return nil
	case j.now != nil && j.now.upto >= j.x.end:
		return j.now
	case j.next == nil:
		j.next = &batch{done: make(chan struct{})}
		j.sink.hold(j)
		go j.sync(j.next, j.now)
	}
	return j.next
}

// hold keeps a journal open, and its sink from being released, for an fsync. A write
// is under way.
func (s *Sink) hold(j *journal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
	j.users++
}

// sync forces to the disk what is written when its time has come.
func (j *journal) sync(b, before *batch) {
	defer j.sink.end()
	defer j.sink.leave(j)
	defer close(b.done)
	if before != nil {
		<-before.done
	}
	j.pause()
	j.mu.Lock()
	j.next, j.now, j.last = nil, b, time.Now()
	b.upto = j.x.end
	f := j.f
	j.mu.Unlock()

	if b.err = j.sink.poison(j.match); b.err == nil {
		if err := f.Sync(); err != nil {
			b.err = j.poison(fmt.Errorf("an fsync failed, and nobody can say which of the last bytes are on the disk; look after the disk before you start again: %w", err))
			if j.sink.c.Ack == AckOS {
				j.sink.keep(b.err) // nobody waits for it
			}
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = nil
	if b.err == nil {
		j.synced = b.upto
	}
}

// pause waits until the next fsync is due, or the sink is to be closed.
func (j *journal) pause() {
	j.mu.Lock()
	wait := j.sink.c.SyncEvery - time.Since(j.last)
	if j.last.IsZero() {
		wait = 0
	}
	j.mu.Unlock()
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-j.sink.closing:
	}
}

// wait waits until what a write has written is as safe as Config.Ack says.
func (s *Sink) wait(ctx context.Context, j *journal, b *batch) error {
	if b == nil || s.c.Ack == AckOS {
		return nil
	}
	select {
	case <-b.done:
		return b.err
	default:
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return j.wrap("wait for the disk to have", ctx.Err())
	}
}

// poison ends all writing to a match and returns the error that says so from now on.
func (j *journal) poison(err error) error {
	err = j.wrap("no more writes to", err)
	s := j.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.poisoned[j.match]; first != nil {
		return first
	}
	s.poisoned[j.match] = err
	s.c.Log.Error("file: a match takes no more writes", "match", j.match, "err", err)
	return err
}

// poison returns why a match takes no more writes, or nil if it does.
func (s *Sink) poison(match string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poisoned[match]
}
