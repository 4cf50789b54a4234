// Command ferretd is a small database server that speaks MongoDB's protocol, for the
// tests of package mongo: FerretDB, with SQLite files in a directory.
//
//	ferretd -dir DIR [-addr 127.0.0.1:27017]
//
// It prints its URL when it takes connections, and ends when its standard input does, so
// that it never outlives the test that started it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "where to listen; port 0 takes a free one")
	dir := flag.String("dir", "", "the directory that keeps the data; it must be there")
	flag.Parse()
	if err := run(*addr, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "ferretd:", err)
		os.Exit(1)
	}
}

func run(addr, dir string) error {
	if dir == "" {
		return errors.New("-dir names no directory")
	}
	f, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: addr},
		Handler:  "sqlite",
		// With one file for each database. In memory, a database would have one connection,
		// which an open cursor keeps from all others. The slash at the end is required.
		SQLiteURL: "file:" + filepath.ToSlash(dir) + "/",
		Logger:    slog.New(slog.DiscardHandler), // it logs whole messages
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends
	}()
	fmt.Println(f.MongoDBURI())
	return f.Run(ctx)
}
