package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley/sink/internal/disk"
)

// TestLock holds that a lock has one holder, and says who that is.
func TestLock(t *testing.T) {
	switch runtime.GOOS {
	case "linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "dragonfly", "illumos":
	default:
		t.Skip("this platform has no locks")
	}
	name := filepath.Join(t.TempDir(), ".lock")
	first, err := disk.OS{}.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err = (disk.OS{}).Lock(name); !errors.Is(err, disk.ErrLocked) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("a second holder: %v", err)
		}
	}
	if out := other(t, name); !strings.Contains(out, "in use by process ") {
		t.Errorf("another process: %s", out)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if out := other(t, name); out != "" {
		t.Errorf("another process after Close: %s", out)
	}
	if second, err := (disk.OS{}).Lock(name); err != nil || second.Close() != nil {
		t.Errorf("after Close: %v", err)
	}
	if _, err := (disk.OS{}).Lock(filepath.Join(name, "x")); err == nil || errors.Is(err, disk.ErrLocked) {
		t.Errorf("a lock below a file: %v", err)
	}
}

// other takes the lock in another process, which ends at once, and returns what that
// process says.
func other(t *testing.T, name string) string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestOther$")
	cmd.Env = append(os.Environ(), "PARLEY_TEST_LOCK="+name)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}

// TestOther is the other process.
func TestOther(t *testing.T) {
	name := os.Getenv("PARLEY_TEST_LOCK")
	if name == "" {
		t.Skip("only for TestLock")
	}
	if _, err := (disk.OS{}).Lock(name); err != nil {
		t.Fatal(err)
	}
}

func TestOS(t *testing.T) {
	var d disk.OS
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := d.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := d.OpenFile(filepath.Join(dir, "f"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("text"), 0); err != nil {
		t.Error(err)
	}
	if err := errors.Join(f.Sync(), f.Truncate(2), f.Close(), d.SyncDir(dir)); err != nil {
		t.Error(err)
	}
	list, err := d.ReadDir(dir)
	info, err2 := d.Stat(filepath.Join(dir, "f"))
	if err := errors.Join(err, err2); err != nil || len(list) != 1 || info.Size() != 2 {
		t.Error(list, info, err)
	}
	if f, err := d.OpenFile(filepath.Join(dir, "none"), os.O_RDWR, 0); f != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Error(f, err)
	}
	if err := d.SyncDir(filepath.Join(dir, "none")); runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
