package codec

import (
	"math"
	"reflect"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// encoder appends to b and adds up what decoding will cost.
type encoder struct {
	b       []byte
	cost    int64
	inAny   bool   // below an interface, where the decoder makes interfaces again
	scratch []byte // for sorting entries of maps
}

// scalar appends a value of one of the first kinds of op.
func (e *encoder) scalar(p *plan, v reflect.Value) *fault {
	switch p.op {
	case opBool:
		e.b = msgp.AppendBool(e.b, v.Bool())
		return nil
	case opInt:
		e.b = appendInt(e.b, v.Int())
	case opUint:
		e.b = msgp.AppendUint64(e.b, v.Uint())
	case opFloat32:
		e.b = msgp.AppendFloat32(e.b, float32(oneNaN(v.Float())))
	case opFloat64:
		e.b = msgp.AppendFloat64(e.b, oneNaN(v.Float()))
	case opString:
		return e.string(v.String())
	}
	if e.inAny {
		e.cost += boxWord
	}
	return nil
}

// value appends v as p says; depth counts the containers around it.
func (e *encoder) value(p *plan, v reflect.Value, depth int) *fault {
	switch p.op {
	default:
		return e.scalar(p, v)
	case opTime:
		e.b = msgp.AppendTimeExt(e.b, timeOf(v))
		e.box(boxTime)
	case opBytes:
		if v.IsNil() {
			e.b = msgp.AppendNil(e.b)
			return nil
		}
		return e.bytes(v.Bytes())
	case opByteArray:
		return e.byteArray(p, v)
	case opStruct:
		if depth++; depth > maxDepth {
			return cyclic()
		}
		e.boxList(p.n)
		e.b = msgp.AppendArrayHeader(e.b, uint32(p.n))
		return e.fields(p, v, depth)
	case opSlice, opArray:
		return e.list(p, v, depth+1)
	case opMap:
		if p.anyMap {
			return e.below(v, depth)
		}
		return e.table(p, v, depth+1)
	case opPointer:
		if v.IsNil() {
			e.b = msgp.AppendNil(e.b)
			return nil
		}
		if !e.inAny {
			e.cost += allocCost(p.elem.size)
		}
		return e.value(p.elem, v.Elem(), depth)
	case opAny:
		if v.IsNil() {
			e.b = msgp.AppendNil(e.b)
			return nil
		}
		return e.below(v, depth)
	case opGenerated:
		return e.generated(p, v, depth)
	}
	return nil
}

func (e *encoder) box(n int64) {
	if e.inAny {
		e.cost += n
	}
}

func (e *encoder) boxList(n int) {
	if e.inAny {
		e.cost += boxSlice + listCost(n, anySize)
	}
}

func (e *encoder) string(s string) *fault {
	if uint64(len(s)) > maxLen {
		return tooLong(len(s))
	}
	e.b = msgp.AppendString(e.b, s)
	e.cost += allocCost(len(s))
	e.box(boxString)
	return nil
}

func (e *encoder) bytes(s []byte) *fault {
	if uint64(len(s)) > maxLen {
		return tooLong(len(s))
	}
	e.b = msgp.AppendBytes(e.b, s)
	e.cost += allocCost(len(s))
	e.box(boxSlice)
	return nil
}

func (e *encoder) byteArray(p *plan, v reflect.Value) *fault {
	if uint64(p.n) > maxLen {
		return tooLong(p.n)
	}
	if e.inAny {
		e.cost += allocCost(p.n) + boxSlice
	}
	if v.CanAddr() {
		e.b = msgp.AppendBytes(e.b, v.Bytes())
		return nil
	}
	e.b = msgp.AppendBytesHeader(e.b, uint32(p.n))
	for i := range p.n {
		e.b = append(e.b, byte(v.Index(i).Uint()))
	}
	return nil
}

func (e *encoder) fields(p *plan, v reflect.Value, depth int) *fault {
	for i := range p.fields {
		field := &p.fields[i]
		fv := v.Field(field.index)
		var f *fault
		switch {
		case field.plan.op <= opString:
			f = e.scalar(field.plan, fv)
		case field.inline:
			f = e.fields(field.plan, fv, depth)
		default:
			f = e.value(field.plan, fv, depth)
		}
		if f != nil {
			return f.in("." + field.name)
		}
	}
	return nil
}

func (e *encoder) list(p *plan, v reflect.Value, depth int) *fault {
	if p.op == opSlice && v.IsNil() {
		e.b = msgp.AppendNil(e.b)
		return nil
	}
	n := v.Len()
	switch {
	case depth > maxDepth:
		return cyclic()
	case uint64(n) > maxLen:
		return tooLong(n)
	case e.inAny:
		e.boxList(n)
	case p.op == opSlice:
		e.cost += listCost(n, p.elem.size)
	}
	e.b = msgp.AppendArrayHeader(e.b, uint32(n))
	for i := range n {
		if f := e.value(p.elem, v.Index(i), depth); f != nil {
			return f.at(i)
		}
	}
	return nil
}

// maxLen is the longest string, list or map that the format can say.
const maxLen = 1<<32 - 1

func tooLong(n int) *fault {
	return unsupported("%d elements or bytes are more than the format can say", n)
}

func cyclic() *fault {
	return unsupported("nested deeper than %d levels, or pointing back to itself: send a flat list with indices", maxDepth)
}

// appendInt appends the shortest form of i, the same for signed and unsigned.
func appendInt(b []byte, i int64) []byte {
	if i >= 0 {
		return msgp.AppendUint64(b, uint64(i))
	}
	return msgp.AppendInt64(b, i)
}

// oneNaN makes all NaNs the same, as processors disagree about their bits.
func oneNaN(x float64) float64 {
	if x != x {
		return math.NaN()
	}
	return x
}

// timeOf returns v, of a type like time.Time, without an allocation if it can.
func timeOf(v reflect.Value) time.Time {
	switch {
	case v.Type() != timeType:
		return v.Convert(timeType).Interface().(time.Time)
	case v.CanAddr():
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}
