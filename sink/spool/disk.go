package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	osdisk "github.com/parley-net/parley/sink/internal/disk"
)

// disk is the folder of a spool, and all that a spool does with files. Tests have one
// that fails, and that loses power.
type disk interface {
	Lock() (io.Closer, error) // for this process alone, or osdisk.ErrLocked
	List() ([]string, error)
	Create(name string) (file, error) // empty, also if it was there
	Open(name string) (file, error)   // to read
	Rename(from, to string) error
	Remove(name string) error
	Sync() error // what was created, renamed and removed is so for good
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Stat() (fs.FileInfo, error)
}

// lockName is the file that a process locks while the spool is its own. It stays:
// removing it would let two processes lock two files of this name.
const lockName = ".lock"

// dir is a real folder.
type dir string

// openDir returns the folder of a name and makes it if there is none.
func openDir(name string) (disk, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if err := makeDir(name); err != nil {
		return nil, err
	}
	return dir(name), nil
}

// makeDir makes a folder and those above it, so that they survive a loss of power.
func makeDir(name string) error {
	if _, err := os.Stat(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(name)
	if above != name {
		if err := makeDir(above); err != nil {
			return err
		}
	}
	return errors.Join(os.MkdirAll(name, 0o700), osdisk.OS{}.SyncDir(above))
}

func (d dir) path(name string) string { return filepath.Join(string(d), name) }

func (d dir) Lock() (io.Closer, error) { return osdisk.OS{}.Lock(d.path(lockName)) }

func (d dir) List() (names []string, err error) {
	entries, err := os.ReadDir(string(d))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d dir) Create(name string) (file, error) {
	return osdisk.OS{}.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
}

func (d dir) Open(name string) (file, error) {
	return osdisk.OS{}.OpenFile(d.path(name), os.O_RDONLY, 0)
}

func (d dir) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d dir) Remove(name string) error { return os.Remove(d.path(name)) }

func (d dir) Sync() error { return osdisk.OS{}.SyncDir(string(d)) }
