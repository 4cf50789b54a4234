package spool

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// reseal gives a header that was changed its checksum.
func reseal(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
	return b
}

func TestHeader(t *testing.T) {
	want := header{segment: 1<<40 + 7, after: 1 << 50, prevSize: 1 << 33, salt: 0xdeadbeef}
	b := want.append(nil)
	if got, err := parseHeader(b); err != nil || got != want || len(b) != headerSize {
		t.Errorf("%+v came back as %+v, %v", want, got, err)
	}
	for i := range b {
		if _, err := parseHeader(b[:i]); err == nil {
			t.Errorf("%d bytes passed for a header", i)
		}
		b[i] ^= 4
		if _, err := parseHeader(b); err == nil {
			t.Errorf("byte %d was changed, and nobody saw", i)
		}
		b[i] ^= 4
	}
}

// segmentOf makes the file of a segment of these frames, one record each.
func segmentOf(salt uint32, records ...[]byte) []byte {
	b := header{segment: 1, salt: salt}.append(nil)
	for i, r := range records {
		start := len(b)
		b = appendRecord(append(b, make([]byte, frameHead)...), r)
		endFrame(b[start:], salt, uint64(i+1), uint64(i), 1)
	}
	return b
}

// TestForgedFrame holds that a record which holds the bytes of a frame is not taken
// for one where an unfinished write left only those.
func TestForgedFrame(t *testing.T) {
	const salt = 12345
	forged := make([]byte, frameHead, 100)
	forged = appendRecord(forged, []byte("as if it had been written"))
	for _, guess := range []uint32{0, 1, salt ^ 1} { // whoever made it does not know the salt
		endFrame(forged, guess, 3, 2, 1)
		if _, ok := parseFrame(forged, salt); ok || findFrame(forged, salt, 0) >= 0 {
			t.Errorf("forged with salt %d, and taken", guess)
		}
	}
	endFrame(forged, salt^1, 3, 2, 1)
	binary.LittleEndian.PutUint32(forged, crc32.Update(salt, castagnoli, forged[4:frameHead]))
	if _, ok := parseFrame(forged, salt); ok {
		t.Error("a frame whose records are not its own was taken")
	}
	endFrame(forged, salt, 3, 2, 1) // for the test of the test
	if at := findFrame(append([]byte("rubbish"), forged...), salt, 1); at != len("rubbish") {
		t.Errorf("a frame at %d was not found: %d", len("rubbish"), at)
	}
	for after, want := range map[uint64]int{2: 0, 3: -1} { // an old one does not count
		if at := findFrame(forged, salt, after); at != want {
			t.Errorf("after frame %d: %d, want %d", after, at, want)
		}
	}
}

// FuzzSegment reads a segment of which some bytes were changed, or any file. Whatever
// it holds, New returns; a frame that it finds is one that was written; and without a
// change all are found.
func FuzzSegment(f *testing.F) {
	records := [][]byte{}
	for seq := uint64(1); seq <= 4; seq++ {
		e := event("m", seq)
		delete(e.Data, "note") // two keys come in any order, and every process makes its own
		b, err := appendEvent(nil, &e)
		must(f, err)
		records = append(records, b[recordHead:])
	}
	whole := segmentOf(7, records...)
	f.Add([]byte{}, uint16(0), uint16(0))
	f.Add([]byte{0xff}, uint16(headerSize+3), uint16(1))
	f.Add(make([]byte, 40), uint16(headerSize+60), uint16(40))
	f.Add([]byte("more behind it"), uint16(len(whole)), uint16(0))
	f.Add(whole, uint16(0), uint16(len(whole)))
	f.Add(whole[headerSize:], uint16(headerSize), uint16(0))
	f.Fuzz(func(t *testing.T, patch []byte, at, cut uint16) {
		from := min(int(at), len(whole))
		data := append([]byte(nil), whole[:from]...)
		data = append(append(data, patch...), whole[min(from+int(cut), len(whole)):]...)
		for _, salvage := range []bool{false, true} {
			for _, journal := range []string{"events", "snapshots", "refused"} {
				disk := newMemDisk()
				disk.files[journal+"-00000001.seg"] = &memFile{data: data, synced: data}
				store := newShop()
				store.set(down)
				s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Salvage: salvage})
				if err != nil {
					continue
				}
				seqs := []uint64{}
				err = s.scan(context.Background(), kindEvent, func(k key, record []byte) {
					if k.seq < 1 || k.seq > 4 || string(record) != string(records[k.seq-1]) {
						t.Errorf("a record that was never written: %q", record)
					}
					seqs = append(seqs, k.seq)
				})
				if err != nil {
					t.Error(err)
				}
				if string(data) == string(whole) && journal == "events" && len(seqs) != 4 {
					t.Errorf("nothing was changed, and found was %v", seqs)
				}
				_ = s.Close(within(t, 0))
			}
		}
	})
}
