package shape

import (
	"reflect"
	"testing"
	"time"
)

type list struct {
	Next *list
	Val  int
}

type mixin struct {
	A    int
	Home string `parley:"-"`
	Msg  string `msg:"-"`
	b    bool   //lint:ignore U1000 it must not show
}

type Exported struct{ B string }

type named []map[uint8][3]float32

func TestOf(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{int(0), "int"},
		{uint8(0), "uint8"},
		{time.Second, "time.Duration"},
		{time.Time{}, "time.Time"},
		{named{}, "[]map[uint8][3]float32"},
		{[]byte{}, "[]uint8"},
		{[]any{}, "[]any"},
		{list{}, "{Next *list, Val int}"},
		{[]*list{}, "[]*{Next *list, Val int}"},
		{mixin{}, "{A int}"},
		{struct {
			mixin
			Exported
			*list
			C bool
		}{}, "{{A int}, Exported {B string}, C bool}"},
		{struct{}{}, "{}"},
		{make(chan int), "chan"},
	} {
		if got := Of(reflect.TypeOf(c.v)); got != c.want {
			t.Errorf("%T: %s, want %s", c.v, got, c.want)
		}
	}
}
