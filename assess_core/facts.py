"""Facts about courses and assessments, from a JSON file; or none at all."""

from pathlib import Path

import msgspec

from assess_core.errors import BadFacts


class NoFacts:
    """Nothing is known: every course and assessment is accepted."""

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return None

    def question_count(self, assessment_id: str) -> int | None:
        return None


class JsonFacts(msgspec.Struct, frozen=True, rename="camel"):
    """`{"leafNodes": {course: [ids]}, "questionCounts": {assessment: n}}`; both parts may be missing."""

    leaf_nodes_: dict[str, frozenset[str]] = msgspec.field(default_factory=dict, name="leafNodes")
    question_counts: dict[str, int] = {}

    @classmethod
    def read(cls, path: Path) -> "JsonFacts":
        """Raises `BadFacts`."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise BadFacts(f"the facts file {str(path)!r} cannot be read: {error.strerror}; check --facts") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadFacts(
                f"the facts file {str(path)!r} is not like "
                f'{{"leafNodes": {{"COURSE": ["ID"]}}, "questionCounts": {{"ASSESSMENT": 10}}}}: {error}'
            ) from error

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return self.leaf_nodes_.get(course_id) or None  # an empty list says nothing, as in the reference job

    def question_count(self, assessment_id: str) -> int | None:
        return self.question_counts.get(assessment_id)
