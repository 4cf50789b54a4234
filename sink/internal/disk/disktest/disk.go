package disktest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/parley-net/parley/sink/internal/disk"
)

// Disk is the real file system, in which operations fail as a test wants it. It is
// safe for concurrent use. The zero value is ready and has no faults.
type Disk struct {
	// Power says that LosePower will be called. It must not change after the first
	// use. False means that what it needs is not noted, which saves time.
	Power bool
	// NoSync says that Sync and SyncDir do nothing, which saves time where nobody
	// loses power. False means that they do what they say.
	NoSync bool

	mu     sync.Mutex
	fault  func(op Op) error
	count  int
	synced map[string][]byte // what of each file survives a loss of power
	fresh  map[string]bool   // files that a loss of power may take away
}

// Op is one operation.
type Op struct {
	N    int    // from 0, of this Disk
	Kind string // the method: "OpenFile", "WriteAt", "Sync", …
	Name string // of the file or directory
	Size int    // bytes of a WriteAt
}

// ShortWrite, returned as the fault of a WriteAt, lets N bytes reach the file before
// Err.
type ShortWrite struct {
	N   int
	Err error
}

func (e *ShortWrite) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ShortWrite) Unwrap() error { return e.Err }

var _ disk.FS = (*Disk)(nil)

// Fault makes every operation call f first, which must be safe for concurrent use and
// may block. If f returns an error that is returned instead of doing anything. A nil f
// ends all faults.
func (d *Disk) Fault(f func(op Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// Ops returns how many operations there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// do counts an operation and returns its fault, wrapped as package os would.
func (d *Disk) do(kind, name string, size int) error {
	d.mu.Lock()
	op, fault := Op{N: d.count, Kind: kind, Name: name, Size: size}, d.fault
	d.count++
	d.mu.Unlock()
	if fault == nil {
		return nil
	}
	if err := fault(op); err != nil {
		return &fs.PathError{Op: kind, Path: name, Err: err}
	}
	return nil
}

// keep notes what of a file is on the disk for certain.
func (d *Disk) keep(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.synced == nil {
		d.synced, d.fresh = make(map[string][]byte), make(map[string]bool)
	}
	d.synced[name] = content
}

// LosePower does to the files what a loss of power may do: of the bytes that were
// written behind the last Sync of a file a part of the beginning is left, of a length
// that r decides, and a new file in a directory that was not synced is gone. Nobody may
// have the files open. It is made for files that only grow.
func (d *Disk) LosePower(r *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(d.synced)) {
		if d.fresh[name] {
			if err := os.Remove(name); err != nil {
				return err
			}
			continue
		}
		synced := d.synced[name]
		now, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(now, synced) {
			continue // cut back by its owner, and as safe as it was
		}
		if err := os.Truncate(name, int64(len(synced)+r.IntN(len(now)-len(synced)+1))); err != nil {
			return err
		}
	}
	d.synced, d.fresh = nil, nil
	return nil
}

// MkdirAll does what os.MkdirAll does.
func (d *Disk) MkdirAll(name string, perm fs.FileMode) error {
	if err := d.do("MkdirAll", name, 0); err != nil {
		return err
	}
	return disk.OS{}.MkdirAll(name, perm)
}

// ReadDir does what os.ReadDir does.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.do("ReadDir", name, 0); err != nil {
		return nil, err
	}
	return disk.OS{}.ReadDir(name)
}

// Stat does what os.Stat does.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	if err := d.do("Stat", name, 0); err != nil {
		return nil, err
	}
	return disk.OS{}.Stat(name)
}

// SyncDir does what disk.OS does.
func (d *Disk) SyncDir(name string) error {
	if err := d.do("SyncDir", name, 0); err != nil {
		return err
	}
	if d.NoSync {
		return nil
	}
	if err := (disk.OS{}).SyncDir(name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.fresh, func(file string, _ bool) bool { return filepath.Dir(file) == filepath.Clean(name) })
	return nil
}

// Lock does what disk.OS does.
func (d *Disk) Lock(name string) (io.Closer, error) {
	if err := d.do("Lock", name, 0); err != nil {
		return nil, err
	}
	return disk.OS{}.Lock(name)
}

// OpenFile does what os.OpenFile does.
func (d *Disk) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	if err := d.do("OpenFile", name, 0); err != nil {
		return nil, err
	}
	var before []byte
	var missing error
	if d.Power {
		before, missing = os.ReadFile(name)
	}
	f, err := disk.OS{}.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if d.Power && flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		d.mu.Lock()
		_, known := d.synced[name]
		d.mu.Unlock()
		if !known {
			d.keep(name, before)
			d.mu.Lock()
			if missing != nil {
				d.fresh[name] = true
			}
			d.mu.Unlock()
		}
	}
	return &file{f, d, name}, nil
}

// file is an open file of a Disk.
type file struct {
	disk.File
	disk *Disk
	name string
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.disk.do("ReadAt", f.name, len(b)); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	err := f.disk.do("WriteAt", f.name, len(b))
	if short := (*ShortWrite)(nil); errors.As(err, &short) {
		n, other := f.File.WriteAt(b[:min(short.N, len(b))], off)
		return n, errors.Join(err, other)
	}
	if err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

func (f *file) Truncate(size int64) error {
	if err := f.disk.do("Truncate", f.name, 0); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *file) Sync() error {
	if err := f.disk.do("Sync", f.name, 0); err != nil {
		return err
	}
	switch {
	case f.disk.NoSync:
		return nil
	case !f.disk.Power:
		return f.File.Sync()
	}
	content, err := os.ReadFile(f.name) // before, as more may be written meanwhile
	if err = errors.Join(err, f.File.Sync()); err == nil {
		f.disk.keep(f.name, content)
	}
	return err
}

func (f *file) Stat() (fs.FileInfo, error) {
	if err := f.disk.do("Fstat", f.name, 0); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *file) Close() error {
	return errors.Join(f.disk.do("Close", f.name, 0), f.File.Close())
}
