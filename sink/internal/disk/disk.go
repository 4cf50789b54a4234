package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// ErrLocked: another process, or another part of this one, holds the lock.
var ErrLocked = errors.New("in use")

// FS is a file system. Its methods do what those of package os of the same names do.
type FS interface {
	MkdirAll(name string, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// SyncDir makes files that were made in a directory survive a loss of power.
	SyncDir(name string) error
	// Lock takes the lock that stands for a directory, of which name is a file that
	// stays there. It does not wait: if the lock is taken the error wraps ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt, Sync and Stat may be called at any time; the rest is for
// one goroutine at a time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// OS is the file system of the machine.
type OS struct{}

var _ FS = OS{}

// MkdirAll is os.MkdirAll.
func (OS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// ReadDir is os.ReadDir.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat is os.Stat.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// OpenFile is os.OpenFile.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not a File that holds nil
	}
	return f, nil
}

// SyncDir opens a directory and syncs it. Windows has no such thing and needs none, and
// where a file system says that it has none there is nothing to be done.
func (OS) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Lock makes the file if there is none and writes into it who has the lock.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := lock(name)
	if errors.Is(err, ErrLocked) {
		if who, err := os.ReadFile(name); err == nil && len(who) > 0 {
			return nil, fmt.Errorf("%w by %s (%s)", ErrLocked, strings.TrimSpace(string(who[:min(len(who), 40)])), name)
		}
		return nil, fmt.Errorf("%w (%s)", ErrLocked, name)
	}
	if err != nil {
		return nil, err
	}
	// Only for whoever finds the lock taken, so nothing depends on it.
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "process %d\n", os.Getpid())
	}
	return f, nil
}
