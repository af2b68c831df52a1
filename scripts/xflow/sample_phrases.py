"""The words of generated vacancies: roles, grades and duties, and the small grammar that joins them.

Every phrase was made up for this file; none comes from a real vacancy. A duty has two forms, for
"Разрабатывать сервисы ..." and for "Разработка сервисов ...".
"""

import re
from dataclasses import dataclass

import numpy as np

type Duty = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Role:
    """A professional role of hh.ru's dictionary.

    Attributes
    ----------
    pay
        Median monthly net pay of a middle specialist in Moscow, in roubles.
    days
        Factor of the time that its vacancies stay open.
    duties
        What is worked on: accusative for an infinitive, genitive for a noun.
    common, scarce
        Skills that many have, and those that few have: vacancies that name the latter pay more and
        close sooner, for such people are hired at once.
    """

    id: str
    name: str
    pay: float
    days: float
    duties: tuple[Duty, ...]
    common: tuple[str, ...]
    scarce: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade: how it is called, its factor of pay, and how its duties sound."""

    title: str
    experience: tuple[str, str]
    pay: float
    verbs: tuple[Duty, ...]
    phrases: tuple[str, ...]
    english: str


ROLES = (
    Role("96", "Программист, разработчик", 175_000, 0.9,
         (("сервисы приёма", "сервисов приёма"), ("микросервисы учёта", "микросервисов учёта"),
          ("личный кабинет", "личного кабинета"), ("программный интерфейс", "программного интерфейса"),
          ("модули расчёта", "модулей расчёта"), ("очереди событий", "очередей событий")),
         ("Java", "Python", "PHP", "1С", "JavaScript", "C#"), ("Rust", "Go", "Kotlin", "C++", "ClickHouse")),
    Role("160", "DevOps-инженер", 195_000, 0.75,
         (("конвейеры сборки", "конвейеров сборки"), ("кластеры", "кластеров"), ("мониторинг", "мониторинга"),
          ("среды тестирования", "сред тестирования"), ("резервное копирование", "резервного копирования"),
          ("инфраструктуру как код", "инфраструктуры как кода")),
         ("Linux", "GitLab", "Docker", "Ansible", "nginx"), ("Kubernetes", "Terraform", "Istio", "eBPF")),
    Role("165", "Дата-сайентист", 190_000, 0.8,
         (("модели прогноза", "моделей прогноза"), ("витрины признаков", "витрин признаков"),
          ("рекомендации", "рекомендаций"), ("эксперименты", "экспериментов"),
          ("модели оттока", "моделей оттока"), ("поиск по текстам", "поиска по текстам")),
         ("Python", "pandas", "SQL", "sklearn"), ("PyTorch", "Spark", "LLM", "CUDA")),
    Role("10", "Аналитик", 110_000, 1.2,
         (("отчёты", "отчётов"), ("показатели", "показателей"), ("сводные таблицы", "сводных таблиц"),
          ("прогнозы продаж", "прогнозов продаж"), ("исследования клиентов", "исследований клиентов"),
          ("выгрузки данных", "выгрузок данных")),
         ("Excel", "SQL", "Power BI", "Метрика"), ("dbt", "Airflow", "Greenplum", "ClickHouse")),
    Role("124", "Тестировщик", 105_000, 1.1,
         (("тестовые сценарии", "тестовых сценариев"), ("автотесты", "автотестов"),
          ("нагрузочные прогоны", "нагрузочных прогонов"), ("отчёты о дефектах", "отчётов о дефектах"),
          ("тестовые стенды", "тестовых стендов"), ("проверки выпуска", "проверок выпуска")),
         ("Postman", "Selenium", "Jira", "SQL"), ("Playwright", "Appium", "k6", "Gatling")),
    Role("148", "Системный аналитик", 155_000, 0.95,
         (("требования", "требований"), ("схемы обмена", "схем обмена"), ("модели данных", "моделей данных"),
          ("постановки задач", "постановок задач"), ("описания интерфейсов", "описаний интерфейсов"),
          ("сценарии использования", "сценариев использования")),
         ("UML", "BPMN", "SQL", "Confluence"), ("Kafka", "gRPC", "ArchiMate")),
    Role("121", "Специалист технической поддержки", 70_000, 1.5,
         (("обращения пользователей", "обращений пользователей"), ("рабочие места", "рабочих мест"),
          ("учётные записи", "учётных записей"), ("инструкции", "инструкций"),
          ("заявки на доступ", "заявок на доступ"), ("оргтехнику", "оргтехники")),
         ("Windows", "Active Directory", "Office", "Jira"), ("VMware", "Asterisk", "PowerShell")),
    Role("73", "Менеджер продукта", 165_000, 1.25,
         (("план развития", "плана развития"), ("гипотезы", "гипотез"), ("воронку", "воронки"),
          ("опросы клиентов", "опросов клиентов"), ("запуск услуг", "запуска услуг"), ("тарифы", "тарифов")),
         ("Excel", "Miro", "Jira", "SQL"), ("Amplitude", "unit economics", "A/B")),
)  # fmt: skip

GRADES = (
    Grade("Младший", ("noExperience", "Нет опыта"), 0.52,
          (("Дорабатывать", "Доработка"), ("Проверять", "Проверка"), ("Документировать", "Документирование"),
           ("Обновлять", "Обновление")),
          ("Учиться у наставника.", "Выполнять простые задачи под присмотром коллег.", "Готовить черновики и заметки."),
          "Help the team with small tasks and learn from a mentor"),
    Grade("", ("between1And3", "От 1 года до 3 лет"), 0.9,
          (("Поддерживать", "Поддержка"), ("Разрабатывать", "Разработка"), ("Улучшать", "Улучшение"),
           ("Настраивать", "Настройка")),
          ("Самостоятельно вести задачи до выпуска.", "Разбирать сбои вместе с дежурным.", "Оценивать сроки."),
          "Own features from the ticket to the release"),
    Grade("Старший", ("between3And6", "От 3 до 6 лет"), 1.45,
          (("Проектировать", "Проектирование"), ("Оптимизировать", "Оптимизация"),
           ("Масштабировать", "Масштабирование"), ("Перестраивать", "Перестройка")),
          ("Принимать архитектурные решения.", "Смотреть код коллег и помогать им расти.", "Убирать узкие места."),
          "Design the architecture and review the work of others"),
    Grade("Ведущий", ("moreThan6", "Более 6 лет"), 1.95,
          (("Планировать", "Планирование"), ("Возглавлять", "Руководство: развитие"),
           ("Согласовывать", "Согласование"), ("Определять", "Определение")),
          ("Руководить командой и нанимать людей.", "Отвечать за бюджет.", "Защищать план перед заказчиком."),
          "Lead the team, hire people and answer for the budget"),
)  # fmt: skip

DOMAINS = (
    ("платежей", 1.2), ("кредитов", 1.15), ("страховых полисов", 1.05), ("рекламных кампаний", 1.05),
    ("мобильных игр", 1.1), ("заказов магазина", 0.95), ("доставки", 0.95), ("складских остатков", 0.85),
    ("записи к врачу", 0.85), ("школьных занятий", 0.75), ("коммунальных счетов", 0.8), ("поездок", 1.0),
)  # fmt: skip

CORPORATE = (
    "Работать в продуктовом потоке большой компании.",
    "Участвовать в квартальном планировании направлений.",
    "Следовать корпоративным стандартам безопасности.",
)
PLAIN = (
    "Общаться с заказчиком без посредников.",
    "Помогать небольшой команде во всём понемногу.",
    "Быстро показывать результат.",
)
FILLER = (
    "Взаимодействовать с соседними отделами.",
    "Вести документацию.",
    "Участвовать в общих встречах.",
    "Соблюдать сроки.",
    "Предлагать улучшения.",
    "Обмениваться опытом.",
    "Отчитываться раз в неделю.",
)
WANTED = ("Знание", "Уверенное владение", "Опыт работы с", "Понимание")
EMOJI = ("🚀 ", "✅ ", "💻 ", "🔥 ")


@dataclass(frozen=True, slots=True)
class Wording:
    """What a vacancy's texts are made of; `verbal` chooses infinitives, `corporate` the tone."""

    role: Role
    grade: Grade
    domain: str
    skills: tuple[str, ...]
    verbal: bool
    corporate: bool
    english: bool


def duties(wording: Wording, rng: np.random.Generator) -> list[str]:
    """Return a vacancy's duties, a sentence each; the one that names the skills comes first or second.

    Most verbs are those of the grade, some of any other: a text hints at its grade without giving it away.
    """
    if wording.english:
        return [
            f"{wording.grade.english}.",
            f"Work with {' and '.join(wording.skills)} every day.",
            "Build and run tools that our users rely on.",
        ]
    chosen = rng.choice(len(wording.role.duties), size=int(rng.integers(2, 5)), replace=False)
    sentences = [_duty(wording, wording.role.duties[i], rng) for i in chosen]
    sentences[0] += f" ({', '.join(wording.skills)})"
    sentences = [f"{sentence}." for sentence in sentences]
    if rng.random() < 0.6:
        sentences.append(pick(wording.grade.phrases, rng))
    if rng.random() < 0.5:
        sentences.append(pick(CORPORATE if wording.corporate else PLAIN, rng))
    sentences += [pick(FILLER, rng) for _ in range(int(rng.integers(0, 3)))]
    rest = [sentences[1 + i] for i in rng.permutation(len(sentences) - 1)]
    return [rest[0], sentences[0], *rest[1:]] if rng.random() < 0.5 else [sentences[0], *rest]


def snippet(sentences: list[str], words: int) -> str:
    """Return the first `words` words of sentences as the API gives them: with dots where more follow."""
    whole = " ".join(sentences).split()
    return " ".join(whole) if len(whole) <= words else " ".join(whole[:words]).rstrip(" .,(") + "..."


def requirement(wording: Wording, rng: np.random.Generator) -> str:
    """Return what is asked of a candidate."""
    asked = f"{pick(WANTED, rng)} {', '.join(wording.skills)}."
    return f"Опыт: {wording.grade.experience[1].lower()}. {asked} {pick(FILLER, rng)}"


def title(wording: Wording) -> str:
    """Return the vacancy's name: grade, role, first skill."""
    role = wording.role.name.partition(",")[0]
    named = f"{wording.grade.title} {role.lower()}" if wording.grade.title else role
    return f"{named} ({wording.skills[0]})"


def description(sentences: list[str], asked: str) -> str:
    """Return the long text of a detail, in the HTML that employers' editors make."""
    listed = "".join(f"<li>{sentence}</li> " for sentence in sentences)
    return (
        f"<p><strong>Обязанности:</strong></p> <ul> {listed}</ul> "
        f"<p><strong>Требования:</strong></p> <p>{asked}</p> <p><em>Generated text, no real vacancy.</em></p>"
    )


def dirty(text: str, wording: Wording, rng: np.random.Generator) -> str | None:
    """Return a snippet with the dirt of real ones: none at all, marked words, HTML, emoji."""
    chance = rng.random()
    if chance < 0.05:
        return None if chance < 0.03 else pick(("", " ", "<p></p>", "..."), rng)
    if chance < 0.2:
        word = wording.skills[0]
        return re.sub(re.escape(word), f"<highlighttext>{word}</highlighttext>", text, count=1)
    if chance < 0.25:
        return f"<b>&quot;{text[:20]}&quot;</b>&nbsp;{text[20:]}<br/>"
    return pick(EMOJI, rng) + text if chance < 0.28 else text


def pick[T](options: tuple[T, ...], rng: np.random.Generator) -> T:
    """Return one of some options."""
    return options[int(rng.integers(len(options)))]


def _duty(wording: Wording, duty: Duty, rng: np.random.Generator) -> str:
    grade = wording.grade if rng.random() < 0.8 else pick(GRADES, rng)
    form = 0 if wording.verbal else 1
    domain = f" {wording.domain}" if rng.random() < 0.6 else ""
    return f"{pick(grade.verbs, rng)[form]} {duty[form]}{domain}"
