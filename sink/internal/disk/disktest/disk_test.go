package disktest_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/parley-net/parley/sink/internal/disk"
	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

func write(t *testing.T, f disk.File, text string, off int64) {
	t.Helper()
	if _, err := f.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
}

func TestFault(t *testing.T) {
	dir := t.TempDir()
	var d disktest.Disk
	name := filepath.Join(dir, "f")
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	d.Fault(func(op disktest.Op) error {
		if op.Kind == "WriteAt" && op.Size == 4 && op.Name == name {
			return &disktest.ShortWrite{N: 3, Err: syscall.ENOSPC}
		}
		if op.N == 2 {
			return fs.ErrPermission
		}
		return nil
	})
	if n, err := f.WriteAt([]byte("text"), 0); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Error(n, err)
	}
	if err := f.Sync(); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	d.Fault(nil)
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "tex" {
		t.Errorf("%q, %v", b, err)
	}
	if err := errors.Join(f.Truncate(1), f.Sync(), f.Close()); err != nil || d.Ops() != 7 {
		t.Error(err, d.Ops())
	}
}

func TestLosePower(t *testing.T) {
	dir := t.TempDir()
	d := disktest.Disk{Power: true}
	lengths := make(map[int]bool)
	for seed := range uint64(100) {
		file := func(name string) disk.File {
			f, err := d.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			write(t, f, "synced", 0)
			return f
		}
		old := file("old")
		if err := errors.Join(old.Sync(), d.SyncDir(dir)); err != nil {
			t.Fatal(err)
		}
		write(t, old, "not", 6)
		fresh := file("fresh")
		if err := errors.Join(fresh.Sync(), old.Close(), fresh.Close(), d.LosePower(rand.New(rand.NewPCG(seed, 0)))); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "old"))
		if err != nil || string(b) != "syncednot"[:max(6, len(b))] {
			t.Fatalf("%q, %v", b, err)
		}
		lengths[len(b)] = true
		if _, err := os.Stat(filepath.Join(dir, "fresh")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("a file of a directory that was not synced: %v", err)
		}
	}
	if len(lengths) != 4 {
		t.Errorf("lengths left: %v", lengths)
	}
}
