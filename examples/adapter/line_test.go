package line_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"

	"example.org/line"
)

var under = conformance.Transport{
	New:     func(testing.TB) core.Transport { return line.Transport{} },
	Timeout: line.Timeout,
}

func TestConformance(t *testing.T) { conformance.TestTransport(t, under) }

func BenchmarkConformance(b *testing.B) { conformance.BenchTransport(b, under) }
