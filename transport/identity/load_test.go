package identity_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/parley-net/parley/transport/identity"
)

func TestLoadMakesAKeyOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "server.key")
	first, err := identity.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := identity.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if first.Pin() != second.Pin() {
		t.Error("the second start has another key")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files were left, want the key only", len(entries))
	}
}

func TestLoadAtOnceGivesOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.key")
	pins := make([]string, 16)
	var wg sync.WaitGroup
	for i := range pins {
		wg.Go(func() {
			k, err := identity.Load(path)
			if err != nil {
				t.Error(err)
				return
			}
			pins[i] = k.Pin()
		})
	}
	wg.Wait()
	for _, p := range pins {
		if p != pins[0] {
			t.Fatalf("different keys: %v", pins)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := seeded(t, 1).Secret()
	tests := []struct{ name, path, want string }{
		{"empty file", write("empty", "", 0o600), "0 bytes"},
		{"cut file", write("cut", secret[:40], 0o600), "expected 52"},
		{"raw seed", write("raw", strings.Repeat("\x01", 32), 0o600), "not a key"},
		{"large file", write("large", strings.Repeat("a", 5000), 0o600), "more than 1024 bytes"},
		{"directory", dir, "no regular file"},
		{"no directory", filepath.Join(dir, "none", "server.key"), "none can be written there"},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, struct{ name, path, want string }{"readable by all", write("open", secret, 0o644), "chmod 600"})
	}
	for _, tt := range tests {
		before, _ := os.ReadFile(tt.path)
		k, err := identity.Load(tt.path)
		if k != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: got %v, %v; want an error with %q and the path", tt.name, k, err, tt.want)
		}
		if after, _ := os.ReadFile(tt.path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", tt.name)
		}
	}
}
