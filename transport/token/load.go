package token

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxKeyFile bounds what LoadKeys reads of a file that holds no keys.
const maxKeyFile = 4 << 10

// LoadKeys reads the keys in the file at path, one a line and the newest first, or makes
// a file with one new key if there is none. Empty lines, and lines that begin with #, are
// passed over. The file appears whole or not at all, for its owner only (0600), and when
// two processes start at once both get the same key.
//
// A file that others may read is refused (except on Windows, where permissions work
// otherwise), as is one that holds anything but keys: LoadKeys never changes a file.
func LoadKeys(path string) ([]Key, error) {
	keys, err := readKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	k, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	switch err := create(path, k.Secret()+"\n"); {
	case errors.Is(err, fs.ErrExist):
		return readKeys(path) // another process was first
	case err != nil:
		return nil, fmt.Errorf("token: no keys at %s, and none can be written there: %w", path, err)
	}
	return []Key{k}, nil
}

// readKeys reads a file that exists. Its error is an fs.ErrNotExist if there is none.
func readKeys(path string) ([]Key, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	var keys []Key
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		k, err := ParseKey(line)
		if err != nil {
			return nil, fmt.Errorf("%w (in line %d of %s)", err, n, path)
		}
		keys = append(keys, k)
	}
	if err := checkKeys(keys); err != nil {
		return nil, fmt.Errorf("%w (in %s, %d bytes; restore it from a copy, or remove it to get a new key)", err, path, len(text))
	}
	return keys, nil
}

// readSecret reads a file that only its owner may read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path) // before Open, which would wait on a named pipe
	if err != nil {
		return "", fmt.Errorf("token: read the keys: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("token: %s is no regular file: name the file that holds the keys", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("token: read the keys: %w", err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return "", fmt.Errorf("token: read the keys: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("token: others than its owner have access to the keys %s (mode %04o): run chmod 600 on it, and make new keys if somebody may have read it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return "", fmt.Errorf("token: read the keys: %w", err)
	}
	if len(text) > maxKeyFile {
		return "", fmt.Errorf("token: %s holds more than %d bytes: it is not a file of keys", path, maxKeyFile)
	}
	return string(text), nil
}

// create writes a new file that appears with all its bytes. It fails with fs.ErrExist if
// there is one already.
func create(path, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".parley-keys-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := finish(tmp, text); err != nil {
		return err
	}
	// A hard link, unlike a rename, never replaces what another process made.
	if os.Link(tmp.Name(), path) == nil {
		return nil
	}
	// There is a file, or the file system has no hard links. Then the file is still made
	// only once, but a crash in between can leave it empty, which readKeys reports.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return finish(f, text)
}

// finish writes a file to the disk and closes it.
func finish(f *os.File, text string) error {
	_, err := f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
