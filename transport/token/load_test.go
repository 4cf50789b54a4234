package token

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestLoadKeysMakesAKeyOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token.keys")
	first, err := LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 1 || len(second) != 1 || first[0].Secret() != second[0].Secret() {
		t.Errorf("the first start has %v, the second %v", first, second)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files were left, want that of the keys only", len(entries))
	}
}

func TestLoadKeysAtOnceGivesOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.keys")
	secrets := make([]string, 16)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			keys, err := LoadKeys(path)
			if err != nil || len(keys) != 1 {
				t.Errorf("%d keys, %v", len(keys), err)
				return
			}
			secrets[i] = keys[0].Secret()
		})
	}
	wg.Wait()
	for _, s := range secrets {
		if s != secrets[0] {
			t.Fatal("different keys")
		}
	}
}

func TestLoadKeysKeepsTheOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.keys")
	text := fmt.Sprintf("# made in March\r\n  %s \n\n#%s\n%s", seeded(t, 2).Secret(), seeded(t, 3).Secret(), seeded(t, 1).Secret())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0].id != seeded(t, 2).id || keys[1].id != seeded(t, 1).id {
		t.Errorf("read %v", keys)
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := seeded(t, 1).Secret()
	line := secret + "\n"
	tests := []struct{ name, path, want string }{
		{"empty file", write("empty", "", 0o600), "0 bytes"},
		{"comments only", write("comments", "# no key\n\n", 0o600), "there is no key"},
		{"cut file", write("cut", line+secret[:40], 0o600), "line 2"},
		{"raw key", write("raw", strings.Repeat("\x01", 32), 0o600), "not a key"},
		{"two keys in a line", write("pair", secret+" "+secret, 0o600), "line 1"},
		{"many keys", write("many", strings.Repeat(line, maxKeys+1), 0o600), "9 keys"},
		{"large file", write("large", strings.Repeat("#", maxKeyFile+1), 0o600), "more than 4096 bytes"},
		{"directory", dir, "no regular file"},
		{"no directory", filepath.Join(dir, "none", "token.keys"), "none can be written there"},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, struct{ name, path, want string }{"readable by all", write("open", line, 0o644), "chmod 600"})
	}
	for _, tt := range tests {
		before, _ := os.ReadFile(tt.path)
		keys, err := LoadKeys(tt.path)
		if keys != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: got %v, %v; want an error with %q and the path", tt.name, keys, err, tt.want)
		} else if strings.Contains(err.Error(), secret[30:40]) {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
		if after, _ := os.ReadFile(tt.path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", tt.name)
		}
	}
	if _, err := LoadKeys(write("most", strings.Repeat(line, maxKeys), 0o600)); err != nil {
		t.Errorf("%d keys: %v", maxKeys, err)
	}
}
