package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/sink/file"
)

// serve serves battles, and keeps them in the store that url names, if it does. With
// restore it first goes on with the battle that is under way there.
func serve(ctx context.Context, addr string, s parley.Server, url string, restore bool, out io.Writer) (err error) {
	if url == "" && restore {
		return errors.New("-restore needs the -store that the battle is in")
	}
	if url != "" {
		dir, ok := strings.CutPrefix(url, "file:")
		if !ok {
			return fmt.Errorf("unknown store %q: there is file:DIR", url)
		}
		store, openErr := file.Open(file.Config{Dir: dir})
		if openErr != nil {
			return openErr
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			err = errors.Join(err, store.Close(ctx))
		}()
		s.Sink = store
		if restore {
			saved, err := server.Load(ctx, store, "")
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "Going on with %s as it was at %s.\n", saved.Match, saved.Time.Local().Format(time.TimeOnly))
			s.Restore = []*server.Saved{saved}
		}
	}
	return parley.Serve(ctx, addr, s)
}
