package codec_test

import (
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
)

func TestConformance(t *testing.T) {
	input := genInput{}
	conformance.TestCodec(t, conformance.Codec{
		New:    func(testing.TB) core.Codec { return codec.Msgp{} },
		Values: []any{full(), *plainInput, &input, sampleSnapshot(2), sampleSnapshot(1).Players, genLoose{A: 1, B: "b", Kids: []genVec{{1, 2, 3}}}, inner{1, 2}},
	})
}
