package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk"
)

// Ack says what it means that a write has returned without an error.
type Ack int

const (
	// AckDisk: the disk says that it has the bytes (fsync). They survive the end of
	// the process, of the operating system, and a loss of power.
	AckDisk Ack = iota
	// AckOS: the operating system has the bytes. They survive the end of the process,
	// however it ends. A loss of power, or the end of the operating system, takes what
	// was written in the last Config.SyncEvery, and the time that an fsync takes.
	AckOS
)

const (
	syncDisk = 5 * time.Millisecond
	syncOS   = 100 * time.Millisecond

	// maxOpen bounds the matches whose file is open and whose index is in memory. Of
	// more than that the one not used for longest is closed, and read again when it is
	// needed.
	maxOpen = 512

	lockName = ".lock"
)

// Config says where and how to keep matches.
type Config struct {
	// Dir is the directory; it is made if there is none, and belongs to one process
	// that writes. Empty is an error.
	Dir string
	// ReadOnly opens a directory to read, also while another process writes there. It
	// takes no lock and changes nothing; writes fail with core.ErrUnsupported. False
	// means that this process writes.
	ReadOnly bool
	// Ack is what a write waits for. Zero means AckDisk.
	Ack Ack
	// SyncEvery is the time between two fsyncs of the same file: all that is written
	// meanwhile shares the next one. A write after a quiet time does not wait for it.
	// Zero means 5 ms, or 100 ms with AckOS; below zero means no time at all.
	SyncEvery time.Duration
	// Log is told what was found damaged, and what was repaired. Nil means
	// slog.Default.
	Log *slog.Logger

	disk disk.FS // nil means the real one
}

// Sink writes matches to a directory and reads them. Open makes one. It is safe for
// concurrent use; writes to one match take turns. Close it, as the directory is locked
// until then.
type Sink struct {
	c       Config
	lock    io.Closer     // nil if ReadOnly
	closing chan struct{} // closed by the first Close

	mu       sync.Mutex
	closed   bool
	busy     int           // writes and fsyncs under way
	idle     chan struct{} // closed when closed, and nothing is under way
	err      error         // that no write has returned
	journals map[string]*journal
	poisoned map[string]error // matches that take no more writes
	uses     uint64
}

var (
	_ core.SnapshotSink   = (*Sink)(nil)
	_ core.SnapshotReader = (*Sink)(nil)
)

// Open opens a directory. A directory that another Sink writes to, here or in another
// process, is an error that wraps core.ErrRefused; with ReadOnly, one that is not
// there wraps core.ErrNotFound.
func Open(c Config) (*Sink, error) {
	if c.Dir == "" {
		return nil, errors.New("file: Config.Dir is empty: name a directory to keep matches in")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("file: find directory %s: %w", c.Dir, err)
	}
	c.Dir = dir
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.disk == nil {
		c.disk = disk.OS{}
	}
	if c.Ack != AckDisk && c.Ack != AckOS {
		return nil, fmt.Errorf("file: Config.Ack is %d: make it AckDisk or AckOS", c.Ack)
	}
	if c.SyncEvery == 0 {
		c.SyncEvery = [...]time.Duration{AckDisk: syncDisk, AckOS: syncOS}[c.Ack]
	}
	s := &Sink{c: c, closing: make(chan struct{}), idle: make(chan struct{}), journals: make(map[string]*journal), poisoned: make(map[string]error)}
	if c.ReadOnly {
		info, err := c.disk.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, core.Errorf(core.ErrNotFound, "file: there is no directory %s: %w", dir, err)
		case err != nil:
			return nil, fmt.Errorf("file: open directory %s: %w", dir, err)
		case !info.IsDir():
			return nil, fmt.Errorf("file: %s is no directory: name the one that the matches are in", dir)
		}
		return s, nil
	}
	if err := makeDir(c.disk, dir); err != nil {
		return nil, fmt.Errorf("file: make directory %s: %w", dir, err)
	}
	s.lock, err = c.disk.Lock(filepath.Join(dir, lockName))
	switch {
	case errors.Is(err, disk.ErrLocked):
		return nil, core.Errorf(core.ErrRefused, "file: directory %s is %w: give each process that writes a directory of its own, or open it with ReadOnly", dir, err)
	case err != nil:
		return nil, fmt.Errorf("file: lock directory %s, which must be one to write to: %w", dir, err)
	}
	return s, nil
}

// makeDir makes a directory, and those above it, so that they survive a loss of power.
func makeDir(d disk.FS, dir string) error {
	_, err := d.Stat(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(d, parent); err != nil {
			return err
		}
	}
	return errors.Join(d.MkdirAll(dir, 0o755), d.SyncDir(parent))
}

func errClosed() error { return core.Errorf(core.ErrClosed, "file: the sink is closed") }

// begin notes a write under way; end must follow if it returns nil.
func (s *Sink) begin(ctx context.Context) error {
	if s.c.ReadOnly {
		return core.Errorf(core.ErrUnsupported, "file: directory %s was opened with ReadOnly: nothing is written there", s.c.Dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("file: nothing written: %w", err)
	}
	s.busy++
	return nil
}

func (s *Sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.closed && s.busy == 0 {
		go s.release()
	}
}

// Close makes later writes and reads fail with core.ErrClosed, waits for writes under
// way, forces to the disk what is not there yet, and gives the directory free. It
// returns an error of that forcing which no write has returned, or the cause of ctx if
// that ends first: the writes then still end by themselves, and Close may be called
// again to wait for them.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
		if s.busy == 0 {
			go s.release()
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return s.err
	default:
	}
	select {
	case <-s.idle:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("file: closed, and writes are still under way: %w", ctx.Err())
	}
}

func (s *Sink) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// release gives back what the sink holds, once nothing is under way.
func (s *Sink) release() {
	s.mu.Lock()
	journals := s.journals
	s.journals = nil
	s.mu.Unlock()
	for _, j := range journals {
		s.keep(j.close())
	}
	if s.lock != nil {
		if err := s.lock.Close(); err != nil {
			s.keep(fmt.Errorf("file: unlock directory %s: %w", s.c.Dir, err))
		}
	}
	close(s.idle)
}

// keep keeps an error for Close, as nobody else is told.
func (s *Sink) keep(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
}

// fail is keep for who holds the lock.
func (s *Sink) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// journal returns that of a match, which stays open until leave.
func (s *Sink) journal(match string) (*journal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journals == nil {
		return nil, errClosed()
	}
	j := s.journals[match]
	if j == nil {
		s.evict()
		j = newJournal(s, match)
		s.journals[match] = j
	}
	s.uses++
	j.used = s.uses
	j.users++
	return j, nil
}

func (s *Sink) leave(j *journal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.users--
}

// evict makes room for one more: it closes the journal that was not used for longest,
// if one is not in use. The caller holds the lock.
func (s *Sink) evict() {
	if len(s.journals) < maxOpen {
		return
	}
	var oldest *journal
	for _, j := range s.journals {
		if j.users == 0 && (oldest == nil || j.used < oldest.used) {
			oldest = j
		}
	}
	if oldest != nil {
		delete(s.journals, oldest.match)
		s.fail(oldest.close())
	}
}
