// Executes templates with Go's own engine: cases on standard input, outcomes on standard
// output, both as JSON. The data is made as tests/suite/shared/mod.rs makes it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"os"
	"strings"
	"text/template"
	"time"
)

type input struct {
	Data  map[string]any `json:"data"`
	Cases []struct {
		Text string `json:"text"`
		HTML bool   `json:"html"`
	} `json:"cases"`
}

type outcome struct {
	Output string `json:"output"`
	Error  string `json:"error"`
}

// Person is a struct with a field and methods.
type Person struct{ Name string }

// Hello greets.
func (p Person) Hello(greeting string, times int) string {
	return strings.Repeat(greeting+" ", times) + p.Name
}

// Fail fails.
func (p Person) Fail() (string, error) { return "", errors.New("failed") }

// KV is a map with methods.
type KV map[string]string

// Names are the keys.
func (kv KV) Names() []string { return []string{"x", "y"} }

// Join joins the keys.
func (kv KV) Join(by string) string { return "x" + by + "y" }

func value(key string, from any) any {
	switch from := from.(type) {
	case map[string]any:
		if strings.HasSuffix(key, "Labels") {
			labels := map[string]string{}
			for k, v := range from {
				labels[k] = v.(string)
			}
			return labels
		}
		for k, v := range from {
			from[k] = value(k, v)
		}
	case []any:
		for i, v := range from {
			from[i] = value("", v)
		}
	case string:
		if strings.HasSuffix(key, "At") {
			at, err := time.Parse(time.RFC3339Nano, from)
			if err != nil {
				panic(err)
			}
			return at
		}
	case json.Number:
		whole, err := from.Int64()
		if err != nil {
			part, _ := from.Float64()
			return part
		}
		if strings.HasSuffix(key, "For") {
			return time.Duration(whole)
		}
		return int(whole)
	}
	return from
}

var funcs = map[string]any{
	"upper": strings.ToUpper,
	"list":  func(items ...any) []any { return items },
	"fail":  func() (any, error) { return nil, errors.New("failed") },
}

func execute(text string, html bool, data any) (string, error) {
	var out strings.Builder
	if html {
		t, err := htmltemplate.New("t").Funcs(funcs).Option("missingkey=zero").Parse(text)
		if err != nil {
			return "", err
		}
		err = t.Execute(&out, data)
		return out.String(), err
	}
	t, err := template.New("t").Funcs(funcs).Option("missingkey=zero").Parse(text)
	if err != nil {
		return "", err
	}
	err = t.Execute(&out, data)
	return out.String(), err
}

func main() {
	var in input
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	data := value("", in.Data).(map[string]any)
	data["Person"] = Person{Name: "Ann"}
	data["KV"] = KV{"x": "1", "y": "2"}
	data["HTML"] = htmltemplate.HTML("<b>&amp;bold</b>")
	data["URL"] = htmltemplate.URL("tel:1 2")
	outcomes := make([]outcome, 0, len(in.Cases))
	for _, c := range in.Cases {
		output, err := execute(c.Text, c.HTML, data)
		o := outcome{Output: output}
		if err != nil {
			o = outcome{Error: err.Error()}
		}
		outcomes = append(outcomes, o)
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcomes); err != nil {
		os.Exit(1)
	}
}
