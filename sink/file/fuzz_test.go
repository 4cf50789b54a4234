package file

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

// addFiles adds the text of files, of which fileFrom makes the file.
func addFiles(f *testing.F) {
	add := func(lines ...string) {
		var b []byte
		for _, line := range lines {
			b = append(append(b, line...), '\n')
		}
		f.Add(b)
	}
	first := `seal{"type":"match","match":"m","format":1`
	begin, end := `seal{"type":"snapshot","match":"m","epoch":1,"tick":2,"time":"2024-02-29T23:59:59.000000000Z"`, `seal{"type":"end","match":"m","epoch":1,"tick":2,"time":"2024-02-29T23:59:59.000000000Z","objects":1`
	object := `seal{"type":"object","match":"m","epoch":1,"tick":2,"time":"2024-02-29T23:59:59.000000000Z","id":1,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80}`
	event := `seal{"type":"event","match":"m","epoch":1,"seq":1,"tick":2,"time":"2024-02-29T23:59:59.000000000Z","kind":"joined","player":2,"data":{"a":1}`
	add(first, event, begin, object, end)
	add(first, begin, object, event, end)
	add(first, begin, begin, end, object, "x", end)
	add(first, begin, "x", end, event, event)
	add("x", event)
	add(event, begin, object)
	add(`seal{"type":"match","match":"n","format":1`)
	add(first, `seal{"type":"event","match":"m","epoch":18446744073709551615,"seq":18446744073709551615,"tick":18446744073709551616`)
	f.Add([]byte{})
	f.Add([]byte("\n\n"))
}

// fileFrom gives the lines that say "seal" a checksum that is right, so that what is
// behind it is tried too.
func fileFrom(text []byte) (file []byte) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("seal")); ok {
			line = seal(bytes.Clone(rest), 0)
		}
		file = append(file, line...)
	}
	return file
}

// FuzzScan reads any bytes as a file: the index it makes fits the file.
func FuzzScan(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		file := fileFrom(text)
		var x index
		if err := x.scan(t.Context(), bytes.NewReader(file), int64(len(file)), "m"); err != nil {
			if !errors.Is(err, core.ErrMalformed) && !errors.Is(err, core.ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		inside := func(at, size int64) bool { return at >= 0 && size > 0 && at+size <= x.end }
		if x.end > int64(len(file)) || x.lines != int64(bytes.Count(file[:x.end], []byte("\n"))) && !x.endless {
			t.Fatalf("%d lines in %d of %d bytes", x.lines, x.end, len(file))
		}
		for i, r := range x.runs {
			if !inside(r.at, r.size) || r.first > r.last || r.low > r.high || i > 0 && (r.epoch < x.runs[i-1].epoch || r.epoch == x.runs[i-1].epoch && r.first <= x.runs[i-1].last) {
				t.Fatalf("run %d of %+v", i, x.runs)
			}
		}
		for i, p := range x.snapshots {
			if !inside(p.at, p.size) || i > 0 && comparePlace(x.snapshots[i-1], [2]uint64{p.epoch, p.tick}) >= 0 {
				t.Fatalf("snapshot %d of %+v", i, x.snapshots)
			}
		}
		// In two steps it is the same, unless a snapshot is given up at the end of the first.
		if len(file) > 0 && x.damaged() == 0 {
			var y index
			err := y.scan(t.Context(), bytes.NewReader(file[:len(file)/2]), int64(len(file)/2), "m")
			if err == nil {
				err = y.scan(t.Context(), bytes.NewReader(file), int64(len(file)), "m")
			}
			if err != nil || y.end != x.end || y.lines != x.lines || !slices.Equal(x.runs, y.runs) || !slices.Equal(x.snapshots, y.snapshots) {
				t.Fatalf("at once %+v, in two steps %+v, %v", x, y, err)
			}
		}
	})
}

// FuzzFile has such a file where a match is to be: reading it ends in records or
// errors, and writing to it in an error or in records that can be read.
func FuzzFile(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		file := fileFrom(text)
		dir, err := os.MkdirTemp("", "parley") // t.TempDir takes ten times as long
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		writeFile(t, fileOf(dir, "m"), file)
		r := open(t, Config{Dir: dir, ReadOnly: true})
		before := contentOf(t, r, "m")
		if _, err := r.Latest(t.Context(), "m"); (err == nil) != (len(before.snapshots) > 0) {
			t.Fatalf("%d snapshots, and of the latest %v", len(before.snapshots), err)
		}
		w := open(t, Config{Dir: dir, Ack: AckOS, Log: slog.New(slog.DiscardHandler), disk: &disktest.Disk{NoSync: true}})
		x, e := snapshotOf("m", 7, 7, 1), eventsOf("m", 7, 1, 1)
		err = w.WriteSnapshot(t.Context(), x)
		_, err2 := w.WriteEvents(t.Context(), e)
		for _, err := range []error{err, err2} {
			if err != nil && !errors.Is(err, core.ErrMalformed) && !errors.Is(err, core.ErrUnsupported) {
				t.Fatal(err)
			}
		}
		after := contentOf(t, w, "m")
		if err == nil && err2 == nil {
			same := func(what, again string, list []string, err error) {
				if err == nil && !slices.Contains(list, again) {
					t.Fatalf("what was written to the %s is not there, and there is no error", what)
				}
			}
			same("snapshots", snapshotText(t, x), after.snapshots, after.snapErr)
			same("events", eventText(t, e[0]), after.events, after.eventErr)
		}
		closed(t, w)
		if again := contentOf(t, r, "m"); !slices.Equal(again.events, after.events) || !slices.Equal(again.snapshots, after.snapshots) || (again.eventErr == nil) != (after.eventErr == nil) {
			t.Fatalf("a reader sees %d events, %v, the writer %d, %v", len(again.events), again.eventErr, len(after.events), after.eventErr)
		}
		closed(t, r)
	})
}
