"""The endpoint that answers questions as if some changes (verbs) had been made. It changes nothing.

The verbs are executed in a what-if, so neither the journal nor the stream receives their events. All other
threads wait until all questions are answered. So the number of verbs and questions is limited, and so is what
the questions read (see `oms.api.read_budget`). The verbs take as long as in a transaction, and their rollback
takes about as long again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Response

from oms.api import descriptions
from oms.api.body_lists import checked_by, unchecked
from oms.api.decimals import with_decimals
from oms.api.first_responses import FirstResponses
from oms.api.openapi import documented
from oms.api.problems import ProblemError, at_element, from_exception
from oms.api.question_models import Question, WhatIfBody
from oms.api.questions import Questions
from oms.api.read_budget import limited
from oms.api.response_models import json_response
from oms.api.route import accepting_lists
from oms.api.subjects import Single
from oms.api.transactions import results_json, subject_json
from oms.api.verb_models import BookVerb, EngineVerb
from oms.api.verbs import BookVerbs, Verbs
from oms.contract import MOST_READ
from oms.errors import OmsError
from oms.facade import Facade
from oms.management import OrderManagement

__all__ = ["WhatIf", "WhatIfs"]

V = TypeVar("V", BookVerb, EngineVerb)

_BODY: Final = checked_by(WhatIfBody)
_WhatIf = Annotated[Any, unchecked(WhatIfBody), Body()]


class WhatIf:
    """The state of the books after some verbs, and the answers to questions about it."""

    def __init__(self, books: Facade, responses: FirstResponses, questions: Questions) -> None:
        self._books = books
        self._responses = responses
        self._answers: dict[str, Callable[[Any], dict[str, Any]]] = {
            "price": questions.calculate_price,
            "quote": lambda question: questions.quote(question, None),
            "prices": questions.calculate_prices,
            "curve": questions.price_curve,
            "amount": questions.calculate_amount,
            "available": questions.available_amount,
            "within": questions.amount_within,
            "best_price": questions.best_price,
            "depth": questions.depth,
            "symbols": lambda _: questions.symbols(),
            "count": lambda _: questions.count(None),
        }

    def response(
        self, verbs: Verbs[V], questions: Sequence[Question], to_fields: Callable[[V, Single], dict[str, Any]]
    ) -> Response:
        """Return the results of the verbs and the answers. Roll back all changes.

        Raise ProblemError with the index of a verb or a question that fails.
        """
        with self._books.what_if():
            sequence = self._responses.catch_up(self._books)
            parts = verbs.try_out()
            with limited(MOST_READ):
                answers = [self._answer(question, index) for index, question in enumerate(questions)]
        results = results_json(verbs.verbs, parts, to_fields)
        return json_response({"sequence": sequence, "results": results, "answers": answers})

    def _answer(self, question: Question, index: int) -> dict[str, Any]:
        try:
            content = self._answers[question.question](question)
        except OmsError as error:
            raise at_element(from_exception(error), "question", index) from error
        except ProblemError as error:
            raise at_element(error, "question", index) from error
        named = {"question": question.question, **content}
        return with_decimals(named, self._books.instruments) if question.decimals else named


class WhatIfs:
    """The endpoint of an OrderManagement. It runs in a thread, because it may wait for a lock."""

    def __init__(self, om: OrderManagement, responses: FirstResponses, questions: Questions) -> None:
        self._om = om
        self._responses = responses
        self._what_if = WhatIf(om, responses, questions)

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoint to a router."""
        description = documented(descriptions.WHAT_IF, self.ask_what_if)
        router.add_api_route("/what-if", self.ask_what_if, methods=["POST"], **description)

    @accepting_lists
    def ask_what_if(self, what_if: _WhatIf) -> Response:
        """Answer questions as if changes had been made. Nothing changes, so no key is needed."""
        body: WhatIfBody = _BODY(what_if)
        verbs = Verbs(self._om, body.verbs, lambda: BookVerbs(self._om, self._responses))
        return self._what_if.response(verbs, body.questions, subject_json)
