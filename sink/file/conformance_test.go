package file

import (
	"log/slog"
	"syscall"
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

// TestConformance stops the store by filling the disk.
func TestConformance(t *testing.T) {
	for name, ack := range map[string]Ack{"AckDisk": AckDisk, "AckOS": AckOS} {
		t.Run(name, func(t *testing.T) {
			dir, d := t.TempDir(), new(disktest.Disk)
			conformance.TestSink(t, conformance.Sink{
				New: func(t testing.TB) core.SnapshotSink {
					s, err := Open(Config{Dir: dir, Ack: ack, Log: slog.New(slog.DiscardHandler), disk: d})
					if err != nil {
						t.Fatal(err)
					}
					return s
				},
				Stop: func(testing.TB) {
					d.Fault(func(op disktest.Op) error {
						if op.Kind == "WriteAt" {
							return &disktest.ShortWrite{N: op.Size / 2, Err: syscall.ENOSPC}
						}
						return nil
					})
				},
				Start: func(testing.TB) { d.Fault(nil) },
			})
		})
	}
}
