package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxKeyFile bounds what Load reads of a file that is not a key.
const maxKeyFile = 1 << 10

// Load reads the key in the file at path, or makes one and writes it there if there
// is no such file. The file appears whole or not at all, for its owner only (0600),
// and when two processes start at once both get the same key.
//
// A file that others may read is refused (except on Windows, where permissions
// work otherwise), as is one that holds no key: Load never overwrites a file.
func Load(path string) (*Key, error) {
	k, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k, err = Generate()
	if err != nil {
		return nil, err
	}
	switch err := create(path, []byte(k.Secret()+"\n")); {
	case errors.Is(err, fs.ErrExist):
		return read(path) // another process was first
	case err != nil:
		return nil, fmt.Errorf("identity: no key at %s, and none can be written there: %w", path, err)
	}
	return k, nil
}

// read reads a key that exists. Its error is an fs.ErrNotExist if there is none.
func read(path string) (*Key, error) {
	info, err := os.Stat(path) // before Open, which would wait on a named pipe
	if err != nil {
		return nil, fmt.Errorf("identity: read the key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("identity: %s is no regular file: name the file that holds the key", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("identity: read the key: %w", err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, fmt.Errorf("identity: read the key: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("identity: others than its owner have access to the key %s (mode %04o): run chmod 600 on it, and make a new key if somebody may have read it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("identity: read the key: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("identity: %s holds more than %d bytes: it is not a key file", path, maxKeyFile)
	}
	k, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%w (in %s, %d bytes; restore it from a copy, or remove it to get a new key and a new pin)", err, path, len(text))
	}
	return k, nil
}

// create writes a new file that appears with all its bytes. It fails with
// fs.ErrExist if there is one already.
func create(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".parley-key-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	// A hard link, unlike a rename, never replaces what another process made.
	err = os.Link(tmp.Name(), path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without hard links: the file is still made only once, but a
	// crash in between can leave it empty, which read reports.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
