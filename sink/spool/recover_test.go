package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// leftover returns a disk on which a process that was killed left events in several
// segments, one frame each, and a snapshot.
func leftover(t testing.TB, events uint64) *memDisk {
	t.Helper()
	store, disk := newShop(), newMemDisk()
	store.set(down)
	s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), MaxBytes: MinMaxBytes})
	must(t, err)
	for seq := uint64(1); seq <= events; seq++ {
		put(t, s, event("m", seq))
	}
	snap(t, s, snapshot("m", 1, 1))
	left := disk.survive(nil)
	_ = s.Close(within(t, 0))
	return left
}

// segments lists the files of a journal by their numbers.
func (d *memDisk) segments(journal string) (names []string) {
	for name := range d.files {
		if strings.HasPrefix(name, journal+"-") && strings.HasSuffix(name, ".seg") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// change gives a file of a copy of d other contents.
func (d *memDisk) with(name string, data []byte) *memDisk {
	next := d.survive(nil)
	next.files[name] = &memFile{data: data, synced: slices.Clone(data)}
	return next
}

// logs is a log that may be read while it is written.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// reopen opens a spool on what is left, over a new store that is down.
func reopen(t testing.TB, disk *memDisk, salvage bool, log *logs) (*Sink, *shop, error) {
	t.Helper()
	store := newShop()
	store.set(down)
	cfg := Config{Dir: "spool", disk: disk, Sink: store.open(), MaxBytes: MinMaxBytes, Salvage: salvage}
	if log != nil {
		cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	}
	s, err := New(cfg)
	if err != nil && disk.locked {
		t.Fatal("the folder stays locked after", err)
	}
	return s, store, err
}

// frames returns where the frames of a segment begin, and where the last one ends.
func frames(t testing.TB, data []byte) (at []int) {
	t.Helper()
	h, err := parseHeader(data)
	must(t, err)
	off := headerSize
	for off < len(data) {
		f, ok := parseFrame(data[off:], h.salt)
		if !ok {
			t.Fatalf("no frame at byte %d of %d", off, len(data))
		}
		at = append(at, off)
		off += int(f.end)
	}
	return append(at, off)
}

// TestTornTail cuts the last segment off at every byte: what is whole is there, and
// new records follow it.
func TestTornTail(t *testing.T) {
	const events = 100
	disk := leftover(t, events)
	names := disk.segments("events")
	last := names[len(names)-1]
	whole := disk.files[last].data
	at := frames(t, whole)
	before := uint64(events - (len(at) - 1))
	for cut := range len(whole) + 1 {
		if cut > at[2] && cut < at[len(at)-2] && cut%13 != 0 && !slices.Contains(at, cut) {
			continue
		}
		var log logs
		d := disk.with(last, slices.Clone(whole[:cut]))
		if cut%2 == 1 { // and rubbish, as long as what is missing
			d = disk.with(last, append(slices.Clone(whole[:cut]), bytes.Repeat([]byte{0xa5}, len(whole)-cut)...))
		}
		s, _, err := reopen(t, d, false, &log)
		if 0 < cut && cut < headerSize && cut%2 == 1 {
			// No header, and more than a header: that is no crash.
			if !errors.Is(err, core.ErrMalformed) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		n := before
		for _, end := range at[1:] {
			if end <= cut {
				n++
			}
		}
		if left := s.Stats().WaitingEvents; left != int(n) {
			t.Fatalf("cut at %d: %d events are there, want %d", cut, left, n)
		}
		if torn := cut > headerSize && !slices.Contains(at, cut) || cut%2 == 1 && cut < len(whole); torn != strings.Contains(log.String(), "unfinished write") {
			t.Fatalf("cut at %d: the log says %q", cut, log.String())
		}
		put(t, s, eventsOf("m", n+1, n+5)...)
		_ = s.Close(within(t, 0))
		// Once more, for what the second process wrote behind the torn end.
		s, store, err := reopen(t, d.survive(nil), false, nil)
		must(t, err)
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		if seqs, ticks := stored(t, store.store.Open(), "m"); !slices.Equal(seqs, numbers(1, n+5)) || len(ticks) != 1 {
			t.Fatalf("cut at %d: stored %v and %v", cut, seqs, ticks)
		}
	}
}

// TestEveryPrefix restores from every prefix of the log: a number of whole segments,
// and frames of the one after them.
func TestEveryPrefix(t *testing.T) {
	disk := leftover(t, 150)
	names := disk.segments("events")
	if len(names) < 3 {
		t.Fatalf("%d segments only", len(names))
	}
	n := uint64(0)
	for i, name := range names {
		whole := disk.files[name].data
		for _, end := range frames(t, whole) {
			d := disk.with(name, slices.Clone(whole[:end]))
			for _, later := range names[i+1:] {
				delete(d.files, later)
			}
			s, store, err := reopen(t, d, false, nil)
			must(t, err)
			store.set(nil)
			if seqs, _ := stored(t, s, "m"); !slices.Equal(seqs, numbers(1, n)) {
				t.Fatalf("%s to byte %d: read %v, want 1 to %d", name, end, seqs, n)
			}
			must(t, s.Close(within(t, time.Minute)))
			if seqs, _ := stored(t, store.store.Open(), "m"); !slices.Equal(seqs, numbers(1, n)) {
				t.Fatalf("%s to byte %d: stored %v, want 1 to %d", name, end, seqs, n)
			}
			if end < len(whole) {
				n++
			}
		}
	}
}

// TestFlippedBit flips bits all over the log. In all but the last frame that is an error
// that names the file and the byte; with Salvage all else is shipped, and the file kept.
func TestFlippedBit(t *testing.T) {
	const events = 100
	disk := leftover(t, events)
	names := disk.segments("events")
	for i, name := range names {
		whole := disk.files[name].data
		at := frames(t, whole)
		for byte := 0; byte < len(whole); byte++ {
			if byte >= at[2] && byte%13 != 0 { // every byte of two frames is enough
				continue
			}
			bad := slices.Clone(whole)
			bad[byte] ^= 1 << (byte % 8)
			s, _, err := reopen(t, disk.with(name, bad), false, nil)
			if i == len(names)-1 && byte >= at[len(at)-2] {
				// Nobody can tell this from an unfinished write.
				must(t, err)
				_ = s.Close(within(t, 0))
				continue
			}
			if byte >= len(magic) || err == nil { // else another version
				if !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), name) {
					t.Fatalf("%s, byte %d: %v", name, byte, err)
				}
			}
			d := disk.with(name, bad)
			s, store, err := reopen(t, d, true, nil)
			must(t, err)
			store.set(nil)
			must(t, s.Close(within(t, time.Minute)))
			seqs, _ := stored(t, store.store.Open(), "m")
			lost := len(at) - 1
			if byte >= headerSize {
				lost = 1
			}
			if len(seqs) != events-lost || !slices.IsSorted(seqs) {
				t.Fatalf("%s, byte %d: %d of %d events are stored", name, byte, len(seqs), events)
			}
			if kept := d.files[name+damagedSuffix]; kept == nil || !bytes.Equal(kept.data, bad) || len(d.files) != 1 {
				t.Fatalf("%s, byte %d: the damaged file is not kept alone, of %d files", name, byte, len(d.files))
			}
		}
	}
}

// TestDamage is what else can have happened to files.
func TestDamage(t *testing.T) {
	const events = 150
	disk := leftover(t, events)
	names := disk.segments("events")
	first, second, last := names[0], names[1], names[len(names)-1]
	data := disk.files[first].data
	at := frames(t, data)
	for _, c := range []struct {
		name string
		disk func() *memDisk
		want string
		lost int
		kept bool // the file, for people to look at
	}{
		{"a segment is missing", func() *memDisk { d := disk.survive(nil); delete(d.files, second); return d }, second, len(frames(t, disk.files[second].data)) - 1, false},
		{"the end of a segment is missing", func() *memDisk { return disk.with(first, data[:at[len(at)-2]]) }, first, 1, true},
		{"a segment ends in the middle", func() *memDisk { return disk.with(first, data[:at[len(at)-3]+5]) }, first, 2, true},
		{"a segment is empty", func() *memDisk { return disk.with(first, nil) }, first, len(at) - 1, true},
		{"a segment holds only its header", func() *memDisk { return disk.with(first, data[:headerSize]) }, first, len(at) - 1, true},
		{"a frame is missing", func() *memDisk { return disk.with(first, slices.Delete(slices.Clone(data), at[2], at[3])) }, first, 1, true},
		{"two frames are zero", func() *memDisk {
			d := slices.Clone(data)
			clear(d[at[2]:at[4]])
			return disk.with(first, d)
		}, first, 2, true},
		{"a frame is missing in the last segment", func() *memDisk {
			data := disk.files[last].data
			at := frames(t, data)
			if len(at) < 3 {
				t.Fatal("it holds only one")
			}
			return disk.with(last, slices.Delete(slices.Clone(data), at[0], at[1]))
		}, last, 1, true},
		{"the last segment has another name", func() *memDisk {
			d := disk.survive(nil)
			d.files["events-00000099.seg"] = d.files[last]
			delete(d.files, last)
			return d
		}, "events-00000099.seg", len(frames(t, disk.files[last].data)) - 1, true},
		{"a segment is another one", func() *memDisk { return disk.with(first, disk.files[second].data) }, first, len(at) - 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := reopen(t, c.disk(), false, nil); !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("New returned %v", err)
			}
			var log logs
			d := c.disk()
			s, _, err := reopen(t, d, true, &log)
			must(t, err)
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), c.want) {
				t.Errorf("the log says %q", log.String())
			}
			put(t, s, event("m", events+1))
			_ = s.Close(within(t, 0))
			// What is damaged stays so until it is shipped.
			s, store, err := reopen(t, d.survive(nil), true, nil)
			must(t, err)
			d = s.common.disk.(*memDisk)
			store.set(nil)
			seqs, _ := stored(t, s, "m")
			must(t, s.Close(within(t, time.Minute)))
			if again, _ := stored(t, store.store.Open(), "m"); len(again) != events+1-c.lost || !slices.Equal(seqs, again) || again[len(again)-1] != events+1 {
				t.Errorf("%d read and %d stored of %d events, of which %d were lost", len(seqs), len(again), events+1, c.lost)
			}
			if kept := d.files[c.want+damagedSuffix] != nil; kept != c.kept || kept != (len(d.files) > 0) {
				t.Errorf("left on disk: %v", d.files)
			}
		})
	}
}

// TestOtherFiles holds that files of others are left alone, and a later version's
// spool is.
func TestOtherFiles(t *testing.T) {
	disk := leftover(t, 10)
	name := disk.segments("events")[0]
	others := []string{"events-1.seg", "events-00000001.seg.bak", "events--0000001.seg", "notes.txt", "events-00000009.seg.damaged", "snapshots-x.seg"}
	for _, other := range others {
		disk.files[other] = &memFile{data: []byte("keep me")}
	}
	s, store, err := reopen(t, disk, false, nil)
	must(t, err)
	store.set(nil)
	must(t, s.Close(within(t, time.Minute)))
	if len(disk.files) != len(others) {
		t.Errorf("left: %v", disk.files)
	}

	disk = leftover(t, 10)
	h, err := parseHeader(disk.files[name].data)
	must(t, err)
	later := append(reseal(bytes.Replace(h.append(nil), []byte("v1"), []byte("v2"), 1)), disk.files[name].data[headerSize:]...)
	for _, salvage := range []bool{false, true} {
		if _, _, err := reopen(t, disk.with(name, later), salvage, nil); !errors.Is(err, errVersion) {
			t.Errorf("a segment of another version: %v", err)
		}
	}
}

// TestNumbersGoOn holds that a file which was kept as damaged is not overwritten.
func TestNumbersGoOn(t *testing.T) {
	disk := newMemDisk()
	disk.files["events-00000007.seg.damaged"] = &memFile{}
	s, _, err := reopen(t, disk, false, nil)
	must(t, err)
	put(t, s, event("m", 1))
	if names := disk.segments("events"); !slices.Equal(names, []string{"events-00000008.seg"}) {
		t.Errorf("%v", names)
	}
	_ = s.Close(within(t, 0))

	// Processes that write nothing leave nothing.
	for range 5 {
		s, _, err := reopen(t, disk, false, nil)
		must(t, err)
		_ = s.Close(within(t, 0))
	}
	if names := disk.segments("events"); len(names) > 2 {
		t.Errorf("%v", names)
	}
}
