"""What is special to vacancies: contract, texts, cohorts, splits, models. Pure."""
