package traffic

func areaCodes() []string {
	return []string{"202", "212", "303", "312", "404", "415", "503", "512", "617", "702", "808", "907"}
}

func tags() []string {
	return []string{"lead", "support", "billing", "follow-up", "VIP ⭐", "churn risk", "demo"}
}

// names are from several scripts, with letters that escape differently in
// careless encoders.
func names() []string {
	return []string{
		"Amelia Novak", "Ben O'Connor", "Chloé Dubois", "Dmitri Соколов", "Ewa Wiśniewska", "Farah نادر",
		"Gül Yılmaz", "Hiroshi 佐藤", "Inês Gonçalves", "Jürgen Groß", "Keiko 田中", "Lê Thị Hương",
		"Mia \"Mimi\" Larsen", "Nikos Παπαδόπουλος", "Oluwaseun Adéyẹmí", "Priya शर्मा", "Quentin D’Arcy", "Rivka לוי",
		"Søren Ødegård", "Thandi & Sons", "Uma <Acme> Rao", "Valentina Muñoz", "王小明", "김지우",
	}
}

func notes() []string {
	return []string{
		"Asked for a quote for 25 seats. Call back on Thursday after 3 pm.",
		"Very happy with the onboarding 🎉 Wants to talk about the annual plan.",
		"Left a voicemail.\nSecond attempt this week.",
		"Rechnung Nr. 4711 ist noch offen – Rückruf bis Freitag.",
		"Przesłać ofertę mailem. Klient prosi o rabat 10 %.",
		"予約を来週の火曜日に変更しました。",
		"客户对价格有疑问,已转给销售经理。",
		"العميل يطلب عرضًا توضيحيًا يوم الأحد.",
		"Нужна консультация по интеграции с CRM.",
		"Said: \"we'll sign if you support <SSO> & SCIM\" 🤝",
		"👨‍👩‍👧‍👦 Family plan? Check C:\\quotes\\2026 first.",
		"Prefers e-mail → amelia@example.com\tTime zone: UTC−7",
		"Budget: 10 000 € / año. ¿Hablamos mañana?",
		"Escalated to support, ticket #8812. Line\u2028separator pasted from a chat.",
		"🔥",
	}
}
