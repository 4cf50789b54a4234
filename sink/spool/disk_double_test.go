package spool

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	osdisk "github.com/parley-net/parley/sink/internal/disk"
)

// memDisk is a disk in memory that fails as told and forgets, in a loss of power, what
// was not synced.
type memDisk struct {
	mu     sync.Mutex
	files  map[string]*memFile
	kept   map[string]*memFile // as the folder was when it was synced
	locked bool
	gone   bool // the process that used it has died

	ops       int
	syncs     int          // of files
	syncTakes atomic.Int64 // nanoseconds, each of them
	// fault is asked before everything that changes the disk. An error is what that
	// returns; a write of which it says short gets half way.
	fault func(op int, what string) (short bool, err error)
	// opens is told of files before they are opened; nil is not.
	opens atomic.Pointer[func(name string)]
}

type memFile struct {
	data   []byte
	synced []byte
}

// fail sets what fails from now on.
func (d *memDisk) fail(fault func(op int, what string) (short bool, err error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// count returns how many operations there were.
func (d *memDisk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

func newMemDisk() *memDisk {
	return &memDisk{files: map[string]*memFile{}, kept: map[string]*memFile{}}
}

// survive returns what is left after the process that used d was killed, or after a
// loss of power, if a seed says how that went.
func (d *memDisk) survive(power *rand.Rand) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
	next := newMemDisk()
	if power == nil {
		for name, f := range d.files {
			next.files[name] = &memFile{slices.Clone(f.data), slices.Clone(f.data)}
		}
		next.kept = maps.Clone(next.files)
		return next
	}
	// A name is there as the folder was synced; of what came or went since then, chance
	// decides.
	names := maps.Clone(d.kept)
	for name, f := range d.files {
		if names[name] != f && power.IntN(2) == 0 {
			names[name] = f
		}
	}
	for name := range d.kept {
		if d.files[name] == nil && power.IntN(2) == 0 {
			delete(names, name)
		}
	}
	for name, f := range names {
		data := torn(power, f)
		next.files[name] = &memFile{data, slices.Clone(data)}
	}
	next.kept = maps.Clone(next.files)
	return next
}

// torn returns a file of which any sector that was not synced may be old, new or rubbish.
func torn(power *rand.Rand, f *memFile) []byte {
	const sector = 64
	n := len(f.synced)
	if len(f.data) > n {
		n += power.IntN(len(f.data) - n + 1)
	}
	out := make([]byte, n)
	copy(out, f.synced)
	for at := 0; at < n; at += sector {
		end := min(at+sector, n)
		if end <= len(f.synced) && string(f.synced[at:end]) == string(f.data[at:min(end, len(f.data))]) {
			continue
		}
		switch power.IntN(3) {
		case 0:
			copy(out[at:end], f.data[at:])
		case 1:
			for i := max(at, len(f.synced)); i < end; i++ {
				out[i] = byte(power.Uint32())
			}
		}
	}
	return out
}

// change counts an operation and asks whether it fails. The caller holds mu.
func (d *memDisk) change(what string) (short bool, err error) {
	if d.gone {
		return false, errors.New("the process is dead")
	}
	d.ops++
	if d.fault != nil {
		return d.fault(d.ops, what)
	}
	return false, nil
}

func (d *memDisk) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, osdisk.ErrLocked
	}
	if _, err := d.change("lock"); err != nil {
		return nil, err
	}
	d.locked = true
	return unlock{d}, nil
}

type unlock struct{ d *memDisk }

func (u unlock) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.d.locked = false
	return nil
}

func (d *memDisk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.files)), nil
}

func (d *memDisk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.change("create"); err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	f := new(memFile)
	d.files[name] = f
	return handle{d, f}, nil
}

func (d *memDisk) Open(name string) (file, error) {
	if opens := d.opens.Load(); opens != nil {
		(*opens)(name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return handle{d, f}, nil
}

func (d *memDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.change("rename"); err != nil {
		return err
	}
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *memDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.change("remove"); err != nil {
		return err
	}
	if d.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.files, name)
	return nil
}

func (d *memDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.change("sync folder"); err != nil {
		return err
	}
	d.kept = maps.Clone(d.files)
	return nil
}

// size returns how many bytes all files have.
func (d *memDisk) size() (n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		n += int64(len(f.data))
	}
	return n
}

// handle is an open file.
type handle struct {
	d *memDisk
	f *memFile
}

func (h handle) ReadAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if off >= int64(len(h.f.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h handle) WriteAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	short, err := h.d.change("write")
	if err != nil && !short {
		return 0, err
	}
	if short {
		b = b[:len(b)/2]
	}
	if grow := int(off) + len(b) - len(h.f.data); grow > 0 {
		h.f.data = append(h.f.data, make([]byte, grow)...)
	}
	return copy(h.f.data[off:], b), err
}

func (h handle) Sync() error {
	time.Sleep(time.Duration(h.d.syncTakes.Load()))
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if _, err := h.d.change("sync"); err != nil {
		return err
	}
	h.d.syncs++
	h.f.synced = slices.Clone(h.f.data)
	return nil
}

func (h handle) Close() error { return nil }

func (h handle) Stat() (fs.FileInfo, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return info{size: int64(len(h.f.data))}, nil
}

// info knows how long a file is, and nothing else.
type info struct {
	fs.FileInfo
	size int64
}

func (i info) Size() int64 { return i.size }
