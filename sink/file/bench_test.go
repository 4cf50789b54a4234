package file

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
)

func BenchmarkSink(b *testing.B) {
	for name, ack := range map[string]Ack{"AckDisk": AckDisk, "AckOS": AckOS} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			conformance.BenchSink(b, conformance.Sink{New: func(b testing.TB) core.SnapshotSink {
				s, err := Open(Config{Dir: dir, Ack: ack})
				if err != nil {
					b.Fatal(err)
				}
				return s
			}})
		})
	}
}
