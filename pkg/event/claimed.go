package event

import "encoding/json"

// ClaimedID returns the id that a body names, "" when it names none. The body
// may be any text: it was received, not checked.
func ClaimedID(body []byte) string {
	var claimed struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &claimed) != nil {
		return ""
	}
	return claimed.ID
}
